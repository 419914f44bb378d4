// Memory that the rows of a segment took, for those of another one: fresh pages cost as much as a sixth of the hashing.
// Internal to this room.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "engine/verify/segment_check.h"

namespace khipu::verify {

// Any thread.
class SpareRows {
 public:
  // More is freed: segments that retention let go leave theirs too, and take none.
  static constexpr size_t kKeptMax = 8;
  void leave(SegmentFacts&& facts);
  // Empty ones, with what room there is.
  void take(std::vector<Hash>& leaves, std::vector<uint64_t>& offsets);

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::vector<Hash>, std::vector<uint64_t>>> spare_;
};

}  // namespace khipu::verify
