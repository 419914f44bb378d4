#include "engine/writer/publisher.h"

namespace khipu::writer {

Result<std::unique_ptr<HeadFile>> HeadFile::open(os::Directory& root, uint64_t sequence, size_t last_slot) {
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, root.open_file(segment::kHeadName, os::Mode::kCreate, 0644));
  std::unique_ptr<HeadFile> head(new HeadFile(std::move(file)));
  head->sequence_ = sequence;
  head->slot_ = last_slot;
  return head;
}

Result<void> HeadFile::write(segment::Head& head) {
  slot_ = 1 - slot_;
  head.sequence = ++sequence_;
  return at(segment::kHeadName, file_->write_at(slot_ * segment::kHeadSlotStride, segment::encode_head(head)));
}

Result<void> sync_files(const Job& job) {
  if (job.dirty.size() > 1) {
    for (const auto& file : job.dirty) file->start_sync();
  }
  for (const auto& file : job.dirty) KHIPU_TRY(file->sync_data());
  return {};
}

Result<std::unique_ptr<Checkpointer>> Checkpointer::open(os::Directory& root, os::Directory& keys) {
  std::unique_ptr<Checkpointer> checkpointer(new Checkpointer(keys));
  for (const TableId table : kTables) {
    KHIPU_TRY_ASSIGN(auto directory, root.open_directory(table_name(table)));
    KHIPU_TRY_ASSIGN(checkpointer->trees_[index_of(table)], directory->open_directory(segment::kTreeName));
  }
  return checkpointer;
}

Result<void> Checkpointer::run(const Job& published, HeadFile& head) {
  for (const TableId table : kTables) {
    os::Directory& tree = *trees_[index_of(table)];
    bool made = false;
    for (size_t level = 0; level < segment::kLevelFileCount; ++level) {
      // A level above the first that has no file has no hashes yet.
      auto file = tree.open_file(segment::level_name(level), os::Mode::kReadWrite);
      if (!file.ok() && file.error().code == Code::kNotFound) break;
      if (!file.ok()) return std::move(file).error();
      KHIPU_TRY(file.value()->sync_data());
      made = true;
    }
    if (made) KHIPU_TRY(tree.sync());
  }
  SignedState state;
  state.root_id = published.head.root_id;
  state.number = published.commit.number;
  state.hash = published.head.commit_hash;
  state.tables = published.commit.tables;
  KHIPU_TRY(save_state(keys_, state));
  return head.sync();
}

}  // namespace khipu::writer
