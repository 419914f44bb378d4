// Proofs: made as RFC 6962 sections 2.1.1 and 2.1.2 define them, top down; checked by the algorithms of RFC 9162
// sections 2.1.3.2 and 2.1.4.2, bottom up.
#include <algorithm>
#include <bit>

#include "engine/tree/subtree.h"

namespace khipu::tree {

// The split of RFC 6962: the greatest power of two below `count`, which is at least 2.
static uint64_t split(uint64_t count) { return std::bit_floor(count - 1); }

static Result<void> append_root(std::vector<Hash>& proof, uint64_t begin, uint64_t end, HashSource& source) {
  KHIPU_TRY_ASSIGN(const Peaks peaks, read_peaks(begin, end, source));
  proof.push_back(peaks.root());
  return {};
}

Result<std::vector<Hash>> prove_inclusion(uint64_t index, uint64_t size, HashSource& source) {
  if (size > kSizeMax || index >= size) {
    return Error{Code::kInvalid,
                 "there is no leaf " + std::to_string(index) + " in a tree of size " + std::to_string(size)};
  }
  std::vector<Hash> proof;
  uint64_t begin = 0;
  uint64_t end = size;
  while (end - begin > 1) {
    const uint64_t middle = begin + split(end - begin);
    if (index < middle) {
      KHIPU_TRY(append_root(proof, middle, end, source));
      end = middle;
    } else {
      KHIPU_TRY(append_root(proof, begin, middle, source));
      begin = middle;
    }
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

Result<std::vector<Hash>> prove_consistency(uint64_t old_size, uint64_t size, HashSource& source) {
  if (size > kSizeMax || old_size > size || old_size == 0) {
    return Error{Code::kInvalid, "there is no consistency proof from size " + std::to_string(old_size) + " to size " +
                                     std::to_string(size)};
  }
  std::vector<Hash> proof;
  uint64_t begin = 0;
  uint64_t end = size;
  bool old_root_known = true;  // [begin, old_size) is the whole old tree, whose root the verifier has
  while (end > old_size) {
    const uint64_t middle = begin + split(end - begin);
    if (old_size <= middle) {
      KHIPU_TRY(append_root(proof, middle, end, source));
      end = middle;
    } else {
      KHIPU_TRY(append_root(proof, begin, middle, source));
      begin = middle;
      old_root_known = false;
    }
  }
  if (!old_root_known) KHIPU_TRY(append_root(proof, begin, end, source));
  std::reverse(proof.begin(), proof.end());
  return proof;
}

bool verify_inclusion(const Hash& leaf, uint64_t index, uint64_t size, std::span<const Hash> proof, const Hash& root) {
  if (size > kSizeMax || index >= size) return false;
  uint64_t node = index;
  uint64_t last = size - 1;  // both at the height that has been reached
  Hash hash = leaf;
  for (const Hash& sibling : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      hash = node_hash(sibling, hash);
      while ((node & 1) == 0 && node != 0) {  // at the right edge: heights at which there is no sibling
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

bool verify_consistency(uint64_t old_size, uint64_t size, std::span<const Hash> proof, const Hash& old_root,
                        const Hash& root) {
  if (size > kSizeMax || old_size > size || old_size == 0) return false;
  if (old_size == size) return proof.empty() && old_root == root;
  if (proof.empty()) return false;
  uint64_t node = old_size - 1;
  uint64_t last = size - 1;
  while ((node & 1) != 0) {
    node >>= 1;
    last >>= 1;
  }
  // Where the old tree is one complete subtree, its root is not in the proof.
  const bool complete = std::has_single_bit(old_size);
  Hash old_hash = complete ? old_root : proof[0];
  Hash new_hash = old_hash;
  for (const Hash& sibling : proof.subspan(complete ? 0 : 1)) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      old_hash = node_hash(sibling, old_hash);
      new_hash = node_hash(sibling, new_hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      new_hash = node_hash(new_hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == old_root && new_hash == root;
}

}  // namespace khipu::tree
