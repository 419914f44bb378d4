#include "engine/snapshot/index_cache.h"

#include <algorithm>

#include "engine/segment/format.h"

namespace khipu::snapshot {
namespace {

constexpr uint32_t kOpensBetweenLooks = 64;  // at the bytes held: asking every reader each time would cost more

}  // namespace

Result<std::shared_ptr<const index::Reader>> IndexCache::read(const codec::IndexStatement& statement,
                                                              SegmentNumber number) {
  std::unique_ptr<os::Directory>& folder = folders_[index_of(statement.table)];
  if (!folder) {
    KHIPU_TRY_ASSIGN(folder, root_.open_directory(table_name(statement.table)));
  }
  // Counted through its index, a segment that is gone would never be missed.
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> segment, folder->stat(segment::segment_name(number)));
  if (!segment) return std::shared_ptr<const index::Reader>();
  auto file = folder->open_file(statement.file, os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code == Code::kNotFound) return std::shared_ptr<const index::Reader>();
    return std::move(file).error();
  }
  KHIPU_TRY_ASSIGN(auto blocks, index::BlockFile::open(std::move(file).value(), statement.size, statement.root));
  KHIPU_TRY_ASSIGN(std::unique_ptr<index::Reader> reader, index::Reader::open(std::move(blocks)));
  const index::Header& header = reader->header();
  if (header.table != statement.table || header.first_row != statement.first_row || header.rows != statement.rows ||
      header.number != number) {
    return Error{Code::kCorrupt, "it is the index of other rows"};
  }
  return std::shared_ptr<const index::Reader>(std::move(reader));
}

Result<std::shared_ptr<const index::Reader>> IndexCache::open(const codec::IndexStatement& statement,
                                                              SegmentNumber number) {
  const std::lock_guard hold(mutex_);
  if (++opened_ % kOpensBetweenLooks == 0) bound();
  if (const auto found = slots_.find(statement.root); found != slots_.end()) {
    order_.splice(order_.begin(), order_, found->second.place);
    return found->second.reader;
  }
  KHIPU_TRY_ASSIGN(std::shared_ptr<const index::Reader> reader,
                   at(std::string(table_name(statement.table)) + "/" + statement.file, read(statement, number)));
  if (!reader) return reader;
  order_.push_front(statement.root);
  slots_.emplace(statement.root, Slot{reader, order_.begin()});
  return reader;
}

std::shared_ptr<const index::Reader> IndexCache::held(const codec::IndexStatement& statement) {
  const std::lock_guard hold(mutex_);
  const auto found = slots_.find(statement.root);
  return found == slots_.end() ? nullptr : found->second.reader;
}

void IndexCache::bound() {
  uint64_t loaded = 0;
  for (const auto& [root, slot] : slots_) loaded += slot.reader->loaded_bytes();
  while (!order_.empty() && (loaded > loaded_bytes_max_ || slots_.size() > open_files_max_)) {
    const auto oldest = slots_.find(order_.back());
    loaded -= std::min(loaded, oldest->second.reader->loaded_bytes());
    slots_.erase(oldest);
    order_.pop_back();
  }
}

}  // namespace khipu::snapshot
