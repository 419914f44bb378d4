#include "engine/snapshot/index_cache.h"

#include <algorithm>

#include "engine/segment/format.h"

namespace khipu::snapshot {
namespace {

constexpr uint32_t kOpensBetweenLooks = 8;  // at the bytes held: asking every reader each time would cost more

}  // namespace

Result<os::Directory*> IndexCache::folder(TableId table) {
  std::unique_ptr<os::Directory>& folder = folders_[index_of(table)];
  if (!folder) {
    KHIPU_TRY_ASSIGN(folder, root_.open_directory(table_name(table)));
  }
  return folder.get();
}

Result<std::unique_ptr<index::BlockFile>> IndexCache::blocks(const codec::IndexStatement& statement) {
  KHIPU_TRY_ASSIGN(os::Directory* const folder, this->folder(statement.table));
  auto file = folder->open_file(statement.file, os::Mode::kRead);
  if (!file.ok() && file.error().code == Code::kNotFound) return std::unique_ptr<index::BlockFile>();
  if (!file.ok()) return std::move(file).error();
  return index::BlockFile::open(std::move(file).value(), statement.size, statement.root);
}

Result<std::shared_ptr<const index::Reader>> IndexCache::read(const codec::IndexStatement& statement,
                                                              SegmentNumber number) {
  // Counted through its index, a segment that is gone would never be missed.
  KHIPU_TRY_ASSIGN(os::Directory* const folder, this->folder(statement.table));
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> segment, folder->stat(segment::segment_name(number)));
  if (!segment || segment->kind != os::EntryKind::kFile) return std::shared_ptr<const index::Reader>();
  KHIPU_TRY_ASSIGN(std::unique_ptr<index::BlockFile> blocks, this->blocks(statement));
  if (!blocks) return std::shared_ptr<const index::Reader>();
  KHIPU_TRY_ASSIGN(std::unique_ptr<index::Reader> reader, index::Reader::open(std::move(blocks)));
  const index::Header& header = reader->header();
  if (header.table != statement.table || header.first_row != statement.first_row || header.rows != statement.rows ||
      header.number != number) {
    return Error{Code::kCorrupt, "it is the index of other rows"};
  }
  return std::shared_ptr<const index::Reader>(std::move(reader));
}

Result<std::shared_ptr<const index::MergedReader>> IndexCache::read(const codec::IndexStatement& statement,
                                                                    const index::MergedName& name) {
  KHIPU_TRY_ASSIGN(os::Directory* const folder, this->folder(statement.table));
  for (uint64_t i = 0; i < name.count(); ++i) {
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> segment,
                     folder->stat(segment::segment_name(SegmentNumber{name.first.value + i})));
    if (!segment || segment->kind != os::EntryKind::kFile) return std::shared_ptr<const index::MergedReader>();
  }
  KHIPU_TRY_ASSIGN(std::unique_ptr<index::BlockFile> blocks, this->blocks(statement));
  if (!blocks) return std::shared_ptr<const index::MergedReader>();
  KHIPU_TRY_ASSIGN(std::unique_ptr<index::MergedReader> reader, index::MergedReader::open(std::move(blocks)));
  if (reader->table() != statement.table || reader->name() != name || reader->first_row() != statement.first_row ||
      reader->rows() != statement.rows) {
    return Error{Code::kCorrupt, "it is about other rows"};
  }
  return std::shared_ptr<const index::MergedReader>(std::move(reader));
}

// Under the mutex, which the two that follow hold.
IndexCache::Slot* IndexCache::used(const Hash& root) {
  if (++opened_ % kOpensBetweenLooks == 0) bound();
  const auto found = slots_.find(root);
  if (found == slots_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second.place);
  return &found->second;
}

template <typename Kind, typename Name>
Result<std::shared_ptr<const Kind>> IndexCache::open_as(std::shared_ptr<const Kind> Slot::*kept,
                                                        const codec::IndexStatement& statement, const Name& what) {
  const std::lock_guard hold(mutex_);
  if (const Slot* slot = used(statement.root); slot != nullptr && slot->*kept) return slot->*kept;
  KHIPU_TRY_ASSIGN(std::shared_ptr<const Kind> reader,
                   at(std::string(table_name(statement.table)) + "/" + statement.file, read(statement, what)));
  if (!reader) return reader;
  order_.push_front(statement.root);
  Slot slot;
  slot.*kept = reader;
  slot.place = order_.begin();
  slots_.emplace(statement.root, std::move(slot));
  return reader;
}

Result<std::shared_ptr<const index::Reader>> IndexCache::open(const codec::IndexStatement& statement,
                                                              SegmentNumber number) {
  return open_as(&Slot::reader, statement, number);
}

Result<std::shared_ptr<const index::MergedReader>> IndexCache::open(const codec::IndexStatement& statement,
                                                                    const index::MergedName& name) {
  return open_as(&Slot::merged, statement, name);
}

std::shared_ptr<const index::Reader> IndexCache::held(const codec::IndexStatement& statement) {
  const std::lock_guard hold(mutex_);
  const auto found = slots_.find(statement.root);
  return found == slots_.end() ? nullptr : found->second.reader;
}

void IndexCache::bound() {
  uint64_t loaded = 0;
  for (const auto& [root, slot] : slots_) loaded += slot.loaded_bytes();
  while (!order_.empty() && (loaded > loaded_bytes_max_ || slots_.size() > open_files_max_)) {
    const auto oldest = slots_.find(order_.back());
    loaded -= std::min(loaded, oldest->second.loaded_bytes());
    slots_.erase(oldest);
    order_.pop_back();
  }
}

}  // namespace khipu::snapshot
