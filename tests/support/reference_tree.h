// RFC 6962 section 2.1, written down as the RFC has it: recursive, over all leaves, slow. What engine/tree is held
// against. Also a HashSource in memory, which asserts that only stored hashes are asked for.
#pragma once

#include <bit>
#include <vector>

#include "engine/crypto/hash.h"
#include "engine/tree/tree.h"

namespace khipu::tests {

using Leaves = std::span<const Hash>;  // leaf hashes

// Leaf n of every tree in the tests.
inline Hash reference_leaf(uint64_t n) {
  Buffer record;
  append_le(record, n);
  const uint8_t prefix = 0;
  return crypto::sha256({Bytes(&prefix, 1), record});
}
inline std::vector<Hash> reference_leaves(size_t count) {
  std::vector<Hash> leaves(count);
  for (size_t i = 0; i < count; ++i) leaves[i] = reference_leaf(i);
  return leaves;
}

inline Hash reference_root(Leaves leaves) {
  if (leaves.empty()) return crypto::sha256(Bytes());
  if (leaves.size() == 1) return leaves[0];
  const size_t k = std::bit_floor(leaves.size() - 1);
  const uint8_t prefix = 1;
  const Hash left = reference_root(leaves.first(k));
  const Hash right = reference_root(leaves.subspan(k));
  return crypto::sha256({Bytes(&prefix, 1), left, right});
}

// PATH(m, D[n])
inline std::vector<Hash> reference_path(size_t m, Leaves leaves) {
  if (leaves.size() <= 1) return {};
  const size_t k = std::bit_floor(leaves.size() - 1);
  std::vector<Hash> path = m < k ? reference_path(m, leaves.first(k)) : reference_path(m - k, leaves.subspan(k));
  path.push_back(m < k ? reference_root(leaves.subspan(k)) : reference_root(leaves.first(k)));
  return path;
}

// SUBPROOF(m, D[n], b); PROOF(m, D[n]) = SUBPROOF(m, D[n], true)
inline std::vector<Hash> reference_consistency(size_t m, Leaves leaves, bool b = true) {
  if (m == leaves.size()) return b ? std::vector<Hash>{} : std::vector<Hash>{reference_root(leaves)};
  const size_t k = std::bit_floor(leaves.size() - 1);
  std::vector<Hash> proof =
      m <= k ? reference_consistency(m, leaves.first(k), b) : reference_consistency(m - k, leaves.subspan(k), false);
  proof.push_back(m <= k ? reference_root(leaves.subspan(k)) : reference_root(leaves.first(k)));
  return proof;
}

// Level files in memory.
class MemoryLevels : public tree::HashSource {
 public:
  std::array<std::vector<Hash>, tree::kLevelCount> levels;
  uint64_t reads = 0;

  // What a Builder writes for these leaves.
  static MemoryLevels of(Leaves leaves) {
    MemoryLevels memory;
    tree::Builder builder;
    builder.append(leaves, memory.levels);
    return memory;
  }
  Result<void> read(size_t level, uint64_t index, std::span<Hash> into) override {
    KHIPU_ASSERT(level < levels.size() && index + into.size() <= levels[level].size());
    std::copy_n(levels[level].begin() + static_cast<std::ptrdiff_t>(index), into.size(), into.begin());
    ++reads;
    return {};
  }
};

}  // namespace khipu::tests
