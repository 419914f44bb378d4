#include "engine/segment/level_files.h"

#include "engine/segment/format.h"

namespace khipu::segment {

static_assert(sizeof(Hash) == 32, "hashes lie back to back in level files");

Result<LevelFiles> LevelFiles::open(os::Directory& table, bool create) {
  LevelFiles levels;
  levels.create_ = create;
  // A file that is there may have been made by a process that died before it synced the directory.
  levels.directory_dirty_ = create;
  if (create) KHIPU_TRY(table.make_directory(kTreeName));
  KHIPU_TRY_ASSIGN(levels.directory_, table.open_directory(kTreeName));
  return levels;
}

Result<os::File*> LevelFiles::file(size_t level) {
  KHIPU_ASSERT(level < kLevelFileCount);
  if (!files_[level]) {
    const os::Mode mode = create_ ? os::Mode::kCreate : os::Mode::kRead;
    if (create_) {
      KHIPU_TRY_ASSIGN(const std::optional<os::Entry> entry, directory_->stat(level_name(level)));
      if (!entry) directory_dirty_ = true;
    }
    KHIPU_TRY_ASSIGN(files_[level], directory_->open_file(level_name(level), mode));
  }
  return files_[level].get();
}

Result<void> LevelFiles::read(size_t level, uint64_t index, std::span<Hash> into) {
  if (into.empty()) return {};
  KHIPU_TRY_ASSIGN(const os::File* const from, file(level));
  return at("tree/" + level_name(level),
            from->read_exactly(index * sizeof(Hash), {into.front().data(), into.size() * sizeof(Hash)}));
}

Result<void> LevelFiles::write(size_t level, uint64_t index, std::span<const Hash> hashes) {
  if (hashes.empty()) return {};
  KHIPU_TRY_ASSIGN(os::File* const to, file(level));
  dirty_[level] = true;
  return at("tree/" + level_name(level),
            to->write_at(index * sizeof(Hash), {hashes.front().data(), hashes.size() * sizeof(Hash)}));
}

Result<void> LevelFiles::sync() {
  for (size_t level = 0; level < kLevelFileCount; ++level) {
    if (!dirty_[level]) continue;
    KHIPU_TRY(at("tree/" + level_name(level), files_[level]->sync_data()));
    dirty_[level] = false;
  }
  if (directory_dirty_) {
    KHIPU_TRY(directory_->sync());
    directory_dirty_ = false;
  }
  return {};
}

}  // namespace khipu::segment
