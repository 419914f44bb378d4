// What is the same on every disk, the kernel's and the fake one. The kernel's: posix_file.cc, posix_directory.cc.
#include "engine/os/file.h"

namespace khipu::os {

Result<void> check_name(std::string_view name) {
  const bool fine = !name.empty() && name != "." && name != ".." && name.size() <= 255 &&
                    name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
  if (fine) return {};
  return Error{Code::kInvalid, "a file name must be one path component of 1 to 255 bytes, not . or .."};
}

Result<Buffer> File::read_all(uint64_t size_bytes_max) const {
  KHIPU_TRY_ASSIGN(const uint64_t bytes, size());
  if (bytes > size_bytes_max) {
    return Error{Code::kLimit, "the file has " + std::to_string(bytes) + " bytes, at most " +
                                   std::to_string(size_bytes_max) + " are read"};
  }
  Buffer content(bytes);
  KHIPU_TRY_ASSIGN(const size_t got, read_at(0, content));
  content.resize(got);
  return content;
}

Result<void> File::read_exactly(uint64_t offset, std::span<uint8_t> into) const {
  KHIPU_TRY_ASSIGN(const size_t got, read_at(offset, into));
  if (got == into.size()) return {};
  return Error{Code::kCorrupt, "wanted " + std::to_string(into.size()) + " bytes at offset " + std::to_string(offset) +
                                   ", the file gave " + std::to_string(got)};
}

// The order is the point: content before name, name before anybody is told. A NAME.new that an earlier crash or failure
// left is unlinked, not reused: what it is (a link, too wide a mode) is not known.
Result<void> Directory::replace_file(std::string_view name, Bytes content, unsigned permissions) {
  const std::string temporary = std::string(name) + ".new";
  KHIPU_TRY_ASSIGN(const std::optional<Entry> left_over, stat(temporary));
  if (left_over) KHIPU_TRY(unlink(temporary));
  {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<File> file, open_file(temporary, Mode::kCreateNew, permissions));
    KHIPU_TRY(file->write_at(0, content));
    KHIPU_TRY(file->sync());
  }
  KHIPU_TRY(rename(temporary, name));
  return sync();
}

}  // namespace khipu::os
