#include "engine/writer/quarantine.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/segment/format.h"

namespace khipu::writer {
namespace {
constexpr std::string_view kUnfinished = "unfinished.new";
constexpr uint64_t kQuarantinedSizeMax = 1ULL << 32;  // of one file to be set aside
constexpr uint64_t kPieceSize = 1ULL << 20;
}  // namespace

Result<void> Quarantine::open() {
  KHIPU_TRY(root_.make_directory(segment::kQuarantineName));
  KHIPU_TRY_ASSIGN(directory_, root_.open_directory(segment::kQuarantineName));
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, directory_->list());
  for (const os::Entry& entry : entries) {
    uint64_t number = 0;
    std::from_chars(entry.name.data(), entry.name.data() + std::min<size_t>(entry.name.size(), 6), number);
    next_ = std::max(next_, number + 1);
  }
  return {};
}

Result<void> Quarantine::take(os::Directory& table, std::string_view table_name, const std::string& name,
                              uint64_t offset) {
  KHIPU_TRY_ASSIGN(auto from, table.open_file(name, os::Mode::kReadWrite));
  KHIPU_TRY_ASSIGN(const uint64_t size, from->size());
  if (size <= offset && offset > 0) return {};
  if (size > offset + kQuarantinedSizeMax) {
    return Error{Code::kLimit,
                 fmt::format("{}/{} has {} bytes to set aside, which no writer leaves: move the file away", table_name,
                             name, size - offset)};
  }
  if (size > offset) {
    // Under a passing name first: a copy that a crash interrupts is never taken for a whole one, and its source stands.
    KHIPU_TRY_ASSIGN(auto to, directory_->open_file(kUnfinished, os::Mode::kCreate));
    KHIPU_TRY(to->truncate(0));
    Buffer piece(std::min(size - offset, kPieceSize));
    for (uint64_t done = 0; done < size - offset; done += piece.size()) {
      piece.resize(std::min(size - offset - done, kPieceSize));
      KHIPU_TRY(from->read_exactly(offset + done, piece));
      KHIPU_TRY(to->write_at(done, piece));
    }
    KHIPU_TRY(to->sync());
    const std::string final_name =
        fmt::format("{:06}-{}-{}-{}{}", next_++, table_name, name, offset, kQuarantineSuffix);
    KHIPU_TRY(directory_->rename(kUnfinished, final_name));
    KHIPU_TRY(directory_->sync());
    names_.push_back(final_name);
  }
  if (offset == 0) {
    KHIPU_TRY(table.unlink(name));
    return table.sync();
  }
  KHIPU_TRY(from->truncate(offset));
  return from->sync();
}

}  // namespace khipu::writer
