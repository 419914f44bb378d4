// Whatever reads hashes at their places, as the tree's HashSource: level files are engine/segment's, which does not
// know trees, and trees do no I/O.
#pragma once

#include <utility>

#include "engine/tree/tree.h"

namespace khipu::tree {

// `Files` is owned, or a reference that borrows: SourceOf<segment::LevelFiles&>.
template <typename Files>
class SourceOf final : public HashSource {
 public:
  explicit SourceOf(Files&& files) : files_(std::forward<Files>(files)) {}
  Result<void> read(size_t level, uint64_t index, std::span<Hash> into) override {
    return files_.read(level, index, into);
  }

 private:
  Files files_;
};

}  // namespace khipu::tree
