// tree/0 .. tree/7 of one table: reads and writes 32-byte hashes at their places. What they mean is engine/tree's.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/os/file.h"

namespace khipu::segment {

inline constexpr size_t kLevelFileCount = 8;

// Owner: one thread for writes; reads from any thread through a LevelFiles of their own.
class LevelFiles {
 public:
  // Files are opened when first touched; `create` makes missing ones (and then needs a directory sync: sync()).
  static Result<LevelFiles> open(os::Directory& table, bool create);

  Result<void> read(size_t level, uint64_t index, std::span<Hash> into);
  Result<void> write(size_t level, uint64_t index, std::span<const Hash> hashes);
  // fdatasync of what was written since the last sync, and of the directory when files were made.
  Result<void> sync();

 private:
  LevelFiles() = default;
  Result<os::File*> file(size_t level);
  std::unique_ptr<os::Directory> directory_;
  bool create_ = false;
  bool directory_dirty_ = false;
  std::array<std::unique_ptr<os::File>, kLevelFileCount> files_;
  std::array<bool, kLevelFileCount> dirty_{};
};

}  // namespace khipu::segment
