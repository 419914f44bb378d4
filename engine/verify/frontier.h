// A growing RFC 6962 tree as its binary frontier: root at any size in O(log n), and the chance to append whole subtrees
// whose roots another thread has computed. tree::Builder is the writer's way and re-hashes tiles at each root; a
// verifier asks for a root at every commit. No I/O.
#pragma once

#include <array>
#include <functional>

#include "engine/base/ids.h"
#include "engine/tree/tree.h"

namespace khipu::verify {

class Frontier {
 public:
  // Told of each completed subtree of 256^level leaves, level >= 1: (level, index, root).
  using Completed = std::function<void(size_t level, uint64_t index, const Hash& root)>;

  // The frontier of the tree of this size, from stored hashes that nobody has checked yet: its root() tells.
  static Result<Frontier> load(uint64_t size, tree::HashSource& source);

  uint64_t size() const { return size_; }
  Hash root() const;
  // Appends the root of a complete subtree of 2^height leaves; size() must be a multiple of that.
  void append(const Hash& subtree, unsigned height, const Completed& completed);
  // Appends leaves of one tile, whose nodes are hashed many at once.
  void append_run(std::span<const Hash> leaves, const Completed& completed);

 private:
  uint64_t size_ = 0;
  std::array<Hash, 64> edge_{};  // edge_[h] stands for 2^h leaves when bit h of size_ is set
};

}  // namespace khipu::verify
