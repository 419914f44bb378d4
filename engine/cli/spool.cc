#include "engine/cli/spool.h"

#include <cstdlib>
#include <limits>
#include <string>

#include "engine/os/nameless_file.h"

namespace khipu::cli {

Result<Spool> Spool::make(Place place, uint64_t memory_size_bytes_max) {
  if (place == Place::kDisk) {
    const char* folder = std::getenv("TMPDIR");
    auto file = os::nameless_file(folder != nullptr && *folder != '\0' ? folder : "/tmp");
    if (file.ok()) return Spool(std::move(*file), std::numeric_limits<uint64_t>::max());
    if (file.error().code != Code::kUnsupported) return std::move(file).error();
  }
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, os::memory_file("khipu-input"));
  return Spool(std::move(file), memory_size_bytes_max);
}

Result<void> Spool::append(std::string_view bytes) {
  if (bytes.size() > size_max_ - size_) {
    return Error{Code::kLimit, "more than " + std::to_string(size_max_) +
                                   " bytes, the most of a pipe that is kept in memory: import it from a file"};
  }
  KHIPU_TRY(file_->write_at(size_, as_bytes(bytes)));
  size_ += bytes.size();
  return {};
}

}  // namespace khipu::cli
