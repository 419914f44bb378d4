// Inclusion and consistency proofs: every pair of small sizes, and forgeries of each.
#include "tests/support/catch.h"
#include "tests/support/reference_tree.h"

using namespace khipu;
using namespace khipu::tests;

static constexpr size_t kSizeMax = 130;

static Hash flipped(Hash hash, size_t bit) {
  hash[bit / 8 % hash.size()] ^= static_cast<uint8_t>(1U << (bit % 8));
  return hash;
}

// All ways to change a proof a little: a bit of each hash, one left out, one too many at either end.
static std::vector<std::vector<Hash>> forgeries(const std::vector<Hash>& proof, const Hash& other, size_t seed) {
  std::vector<std::vector<Hash>> forged;
  for (size_t i = 0; i < proof.size(); ++i) {
    forged.push_back(proof);
    forged.back()[i] = flipped(proof[i], 8 * i + seed);
    forged.push_back(proof);
    forged.back().erase(forged.back().begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (const Hash& extra : {Hash{}, other}) {
    forged.push_back(proof);
    forged.back().push_back(extra);
    forged.push_back(proof);
    forged.back().insert(forged.back().begin(), extra);
  }
  return forged;
}

// How many wrong statements about leaf `index` pass. (Counted, not asserted one by one: there are a million.)
static int wrong_inclusions(Leaves leaves, size_t index, const std::vector<Hash>& proof, const Hash& root) {
  const size_t size = leaves.size();
  const Hash& leaf = leaves[index];
  int passed = tree::verify_inclusion(flipped(leaf, index), index, size, proof, root) +
               tree::verify_inclusion(leaf, index, size, proof, flipped(root, index)) +
               tree::verify_inclusion(leaf, size, size, proof, root);
  if (size > 1) {  // another place in the same tree
    passed += tree::verify_inclusion(leaf, index == 0 ? 1 : index - 1, size, proof, root) +
              tree::verify_inclusion(leaf, index ^ 1, size, proof, root);
  }
  for (const auto& forged : forgeries(proof, root, index)) {
    passed += tree::verify_inclusion(leaf, index, size, forged, root);
  }
  return passed;
}

TEST_CASE("proof: inclusion of every leaf of every size to 130 is the reference's, verifies, and forged fails") {
  const std::vector<Hash> leaves = reference_leaves(kSizeMax);
  MemoryLevels memory = MemoryLevels::of(leaves);
  for (size_t size = 1; size <= kSizeMax; ++size) {
    const Leaves part = Leaves(leaves).first(size);
    const Hash root = reference_root(part);
    for (size_t index = 0; index < size; ++index) {
      CAPTURE(size, index);
      const auto proof = tree::prove_inclusion(index, size, memory);
      REQUIRE(proof.ok());
      REQUIRE(*proof == reference_path(index, part));
      REQUIRE(tree::verify_inclusion(leaves[index], index, size, *proof, root));
      REQUIRE(wrong_inclusions(part, index, *proof, root) == 0);
    }
  }
}

TEST_CASE("proof: consistency of every pair of sizes to 130 is the reference's, verifies, and forged fails") {
  const std::vector<Hash> leaves = reference_leaves(kSizeMax);
  MemoryLevels memory = MemoryLevels::of(leaves);
  std::vector<Hash> roots;
  for (size_t size = 0; size <= kSizeMax; ++size) roots.push_back(reference_root(Leaves(leaves).first(size)));
  for (size_t size = 1; size <= kSizeMax; ++size) {
    for (size_t old = 1; old <= size; ++old) {
      CAPTURE(old, size);
      const auto proof = tree::prove_consistency(old, size, memory);
      REQUIRE(proof.ok());
      REQUIRE(*proof == reference_consistency(old, Leaves(leaves).first(size)));
      REQUIRE(tree::verify_consistency(old, size, *proof, roots[old], roots[size]));

      int passed = tree::verify_consistency(old, size, *proof, flipped(roots[old], old), roots[size]) +
                   tree::verify_consistency(old, size, *proof, roots[old], flipped(roots[size], old)) +
                   tree::verify_consistency(0, size, *proof, roots[0], roots[size]) +
                   tree::verify_consistency(size + 1, size, *proof, roots[old], roots[size]);
      if (old < size) passed += tree::verify_consistency(old, size, *proof, roots[size], roots[old]);
      for (const auto& forged : forgeries(*proof, roots[old], old)) {
        passed += tree::verify_consistency(old, size, forged, roots[old], roots[size]);
      }
      REQUIRE(passed == 0);
    }
  }
}

TEST_CASE("proof: across tiles of several levels") {
  const std::vector<Hash> leaves = reference_leaves(66000);
  MemoryLevels memory = MemoryLevels::of(leaves);
  const Hash root = reference_root(leaves);
  for (const size_t index : {0, 256, 65535, 65536, 65792, 65999}) {
    CAPTURE(index);
    const auto proof = tree::prove_inclusion(index, leaves.size(), memory);
    REQUIRE(proof.ok());
    CHECK(*proof == reference_path(index, leaves));
    CHECK(tree::verify_inclusion(leaves[index], index, leaves.size(), *proof, root));
  }
  for (const size_t old : {1, 256, 257, 65536, 65537}) {
    CAPTURE(old);
    const auto proof = tree::prove_consistency(old, leaves.size(), memory);
    REQUIRE(proof.ok());
    CHECK(*proof == reference_consistency(old, leaves));
    CHECK(tree::verify_consistency(old, leaves.size(), *proof, reference_root(Leaves(leaves).first(old)), root));
  }
}

TEST_CASE("proof: what cannot be asked for is refused, and sizes over 2^63-1 are never right") {
  const std::vector<Hash> leaves = reference_leaves(4);
  MemoryLevels memory = MemoryLevels::of(leaves);
  CHECK(tree::prove_inclusion(4, 4, memory).error().code == Code::kInvalid);
  CHECK(tree::prove_inclusion(0, 0, memory).error().code == Code::kInvalid);
  CHECK(tree::prove_inclusion(0, UINT64_MAX, memory).error().code == Code::kInvalid);
  CHECK(tree::prove_consistency(0, 4, memory).error().code == Code::kInvalid);
  CHECK(tree::prove_consistency(5, 4, memory).error().code == Code::kInvalid);
  CHECK(tree::prove_consistency(1, uint64_t{1} << 63, memory).error().code == Code::kInvalid);
  const Hash root = reference_root(leaves);
  CHECK_FALSE(tree::verify_inclusion(leaves[0], 0, uint64_t{1} << 63, std::vector<Hash>(63), root));
  CHECK_FALSE(tree::verify_consistency(uint64_t{1} << 63, uint64_t{1} << 63, {}, root, root));
  CHECK_FALSE(tree::verify_consistency(0, 0, {}, tree::empty_root(), tree::empty_root()));
}
