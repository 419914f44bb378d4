// A table's level files as the source of hashes that engine/tree asks for. Internal to this room.
#pragma once

#include "engine/segment/level_files.h"
#include "engine/tree/tree.h"

namespace khipu::verify {

class LevelSource : public tree::HashSource {
 public:
  explicit LevelSource(segment::LevelFiles& files) : files_(files) {}
  Result<void> read(size_t level, uint64_t index, std::span<Hash> into) override {
    return files_.read(level, index, into);
  }

 private:
  segment::LevelFiles& files_;
};

}  // namespace khipu::verify
