// The Checker: what it accepts, and that no change to a hash on a leaf's way up is passed over (P5).
#include "tests/support/catch.h"
#include "tests/support/reference_tree.h"

using namespace khipu;
using namespace khipu::tests;

static tree::Checker open(MemoryLevels& source, uint64_t size, const Hash& root, size_t tiles_max = 1024) {
  auto checker = tree::Checker::open(size, root, source, tiles_max);
  REQUIRE(checker.ok());
  REQUIRE(checker->has_value());
  return std::move(**checker);
}

static bool check(tree::Checker& checker, uint64_t index, const Hash& leaf, MemoryLevels& source) {
  const auto verdict = checker.check(index, leaf, source);
  REQUIRE(verdict.ok());
  return *verdict;
}

TEST_CASE("checker: every leaf of every size to 600 is right, and no other hash is") {
  const std::vector<Hash> leaves = reference_leaves(600);
  MemoryLevels memory = MemoryLevels::of(leaves);
  for (size_t size = 1; size <= leaves.size(); size += size < 300 ? 1 : 37) {
    tree::Checker checker = open(memory, size, reference_root(Leaves(leaves).first(size)));
    for (size_t index = 0; index < size; ++index) {
      REQUIRE(check(checker, index, leaves[index], memory));
      REQUIRE_FALSE(check(checker, index, leaves[(index + 1) % leaves.size()], memory));
    }
    CHECK_FALSE(check(checker, size, leaves[size % leaves.size()], memory));
    CHECK_FALSE(check(checker, UINT64_MAX, leaves[0], memory));
  }
}

TEST_CASE("checker: the empty tree opens with the empty root only and has no leaf") {
  MemoryLevels memory;
  tree::Checker checker = open(memory, 0, tree::empty_root());
  CHECK_FALSE(check(checker, 0, tree::empty_root(), memory));
  const auto other = tree::Checker::open(0, Hash{}, memory);
  REQUIRE(other.ok());
  CHECK_FALSE(other->has_value());
}

TEST_CASE("checker: does not open where the right edge and the root do not agree") {
  const std::vector<Hash> leaves = reference_leaves(700);
  const MemoryLevels good = MemoryLevels::of(leaves);
  const Hash root = reference_root(leaves);
  for (size_t level = 0; level < 2; ++level) {
    const size_t count = good.levels[level].size();
    for (size_t index = count - count % 256; index < count; ++index) {
      MemoryLevels bad = good;
      bad.levels[level][index][31] ^= 1;
      const auto checker = tree::Checker::open(leaves.size(), root, bad);
      REQUIRE(checker.ok());
      CHECK_FALSE(checker->has_value());
    }
  }
  MemoryLevels same = good;
  const auto smaller = tree::Checker::open(699, root, same);
  REQUIRE(smaller.ok());
  CHECK_FALSE(smaller->has_value());
}

TEST_CASE("checker: a change of any one hash of a complete tile is found by every leaf under that tile") {
  const std::vector<Hash> leaves = reference_leaves(66000);  // level 0: 257 complete tiles, level 1: one, level 2: edge
  MemoryLevels good = MemoryLevels::of(leaves);
  const Hash root = reference_root(leaves);
  MemoryLevels bad = good;

  const auto leaves_under = [](size_t level, size_t tile) {
    const size_t first = level == 0 ? tile * 256 : tile * 65536;
    const size_t count = level == 0 ? 256 : 65536;
    return std::vector<size_t>{first, first + 1, first + count / 2, first + count - 1};
  };
  struct Place {
    size_t level;
    size_t index;
  };
  std::vector<Place> places;
  for (size_t index = 0; index < 256; index += 5) places.push_back({1, index});
  for (const size_t tile : {0, 128, 256}) {
    for (size_t offset = 0; offset < 256; offset += 15) places.push_back({0, tile * 256 + offset});
  }
  for (const Place& place : places) {
    CAPTURE(place.level, place.index);
    Hash& hash = bad.levels[place.level][place.index];
    hash[place.index % 32] ^= 0x10;
    for (const size_t index : leaves_under(place.level, place.index / 256)) {
      tree::Checker checker = open(good, leaves.size(), root);  // the edge is untouched: it opens
      REQUIRE_FALSE(check(checker, index, leaves[index], bad));
      // Not even for the hash that now stands there.
      REQUIRE_FALSE(check(checker, index, bad.levels[0][index], bad));
    }
    hash[place.index % 32] ^= 0x10;
  }
}

TEST_CASE("checker: a leaf and all stored hashes above it rewritten do not pass") {
  std::vector<Hash> leaves = reference_leaves(66000);
  MemoryLevels good = MemoryLevels::of(leaves);
  const Hash root = reference_root(leaves);
  leaves[1000][0] ^= 1;
  MemoryLevels rewritten = MemoryLevels::of(leaves);
  const auto reopened = tree::Checker::open(leaves.size(), root, rewritten);
  REQUIRE(reopened.ok());
  CHECK_FALSE(reopened->has_value());
  tree::Checker checker = open(good, leaves.size(), root);
  CHECK_FALSE(check(checker, 1000, leaves[1000], rewritten));
}

TEST_CASE("checker: remembers tiles, no more than it may, and reads again what it forgot") {
  const std::vector<Hash> leaves = reference_leaves(2560);
  MemoryLevels memory = MemoryLevels::of(leaves);
  const Hash root = reference_root(leaves);
  tree::Checker roomy = open(memory, leaves.size(), root);
  memory.reads = 0;
  for (size_t index = 0; index < leaves.size(); ++index) REQUIRE(check(roomy, index, leaves[index], memory));
  CHECK(memory.reads == 10);  // ten complete tiles; level 1 is all edge
  for (size_t index = 0; index < leaves.size(); ++index) REQUIRE(check(roomy, index, leaves[index], memory));
  CHECK(memory.reads == 10);

  tree::Checker narrow = open(memory, leaves.size(), root, 3);
  memory.reads = 0;
  for (int round = 0; round < 3; ++round) {
    for (size_t index = 0; index < leaves.size(); index += 16) REQUIRE(check(narrow, index, leaves[index], memory));
  }
  CHECK(memory.reads == 30);
  // A tile that was found to be wrong is not remembered as right.
  MemoryLevels bad = memory;
  bad.levels[0][7][0] ^= 1;
  tree::Checker checker = open(memory, leaves.size(), root, 3);
  CHECK_FALSE(check(checker, 8, leaves[8], bad));
  CHECK_FALSE(check(checker, 8, leaves[8], bad));
  CHECK(check(checker, 8, leaves[8], memory));
}

TEST_CASE("checker: tiles that were hashed together are taken if they are right, and are as those it reads itself") {
  const std::vector<Hash> leaves = reference_leaves(70000);  // levels 0 and 1 have complete tiles
  MemoryLevels memory = MemoryLevels::of(leaves);
  const Hash root = reference_root(leaves);
  const std::vector<uint64_t> numbers = {0, 3, 17, 255, 256, 272};
  std::vector<Hash> hashes;
  for (const uint64_t number : numbers) {
    const auto tile = Leaves(leaves).subspan(number * 256, 256);
    hashes.insert(hashes.end(), tile.begin(), tile.end());
  }
  for (const size_t count : {size_t{1}, size_t{2}, numbers.size()}) {
    std::vector<Hash> made(count);
    tree::roots_of_tiles(std::span(hashes).first(256 * count), made);
    for (size_t i = 0; i < count; ++i) CHECK(made[i] == tree::root_of(Leaves(leaves).subspan(numbers[i] * 256, 256)));
    std::vector<tree::TileView> views;  // where they lie
    for (size_t i = 0; i < count; ++i) views.emplace_back(Leaves(leaves).subspan(numbers[i] * 256).first<256>());
    std::vector<Hash> of_views(count);
    tree::roots_of_tiles(views, of_views);
    CHECK(of_views == made);
    const tree::TileNodes nodes = tree::nodes_of_tiles(views);
    CHECK(nodes[tree::kTileHeight] == made);
    for (size_t height = 1; height < nodes.size(); ++height) {
      const size_t wide = size_t{1} << height, in_tile = 256 / wide;
      REQUIRE(nodes[height].size() == count * in_tile);
      bool right = true;
      for (size_t i = 0; i < nodes[height].size(); ++i) {
        right = right && nodes[height][i] == tree::root_of(views[i / in_tile].subspan(i % in_tile * wide, wide));
      }
      CHECK(right);
    }
  }
  std::vector<Hash> roots(numbers.size());
  tree::roots_of_tiles(hashes, roots);
  const auto take = [&](tree::Checker& checker, size_t i, const Hash& made, std::span<const Hash> tile) {
    return checker.take_tile(numbers[i], made, tile.first<256>(), memory).value();
  };
  tree::Checker checker = open(memory, leaves.size(), root);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto tile = std::span<const Hash>(hashes).subspan(256 * i, 256);
    CHECK(checker.wants_tile(numbers[i]));
    // Of a tile that was changed, the root it has.
    std::vector<Hash> changed(tile.begin(), tile.end());
    changed[7][0] ^= 1;
    CHECK_FALSE(take(checker, i, tree::root_of(changed), changed));
    CHECK(checker.wants_tile(numbers[i]));
    CHECK_FALSE(check(checker, numbers[i] * 256 + 7, changed[7], memory));
    CHECK(take(checker, i, roots[i], tile));
    CHECK_FALSE(checker.wants_tile(numbers[i]));
  }
  memory.reads = 0;
  for (const uint64_t number : numbers) {
    CHECK(check(checker, number * 256 + 9, leaves[number * 256 + 9], memory));
    CHECK_FALSE(check(checker, number * 256 + 9, leaves[0], memory));
  }
  CHECK(memory.reads == 0);
  CHECK_FALSE(checker.wants_tile(273));  // the edge, which open() has checked
  CHECK_FALSE(checker.wants_tile(UINT64_MAX));
  CHECK_FALSE(checker.take_tile(273, roots[0], std::span<const Hash>(hashes).first<256>(), memory).value());
}

TEST_CASE("checker: a whole tile's root is the one in the tree, and no other is, and what has no whole tile has none") {
  const std::vector<Hash> leaves = reference_leaves(3 * 256 + 100);
  MemoryLevels memory = MemoryLevels::of(leaves);
  for (const uint64_t size : {256, 600, 768, 868}) {
    tree::Checker checker = open(memory, size, reference_root(Leaves(leaves).first(size)));
    for (uint64_t tile = 0; tile < 5; ++tile) {
      const auto verdict = [&](const Hash& root) { return checker.check_tile(tile, root, memory).value(); };
      if (256 * (tile + 1) > size) {
        CHECK_FALSE(verdict(tree::empty_root()));
        continue;
      }
      std::vector<Hash> of(leaves.begin() + static_cast<ptrdiff_t>(256 * tile),
                           leaves.begin() + static_cast<ptrdiff_t>(256 * (tile + 1)));
      CHECK(verdict(tree::root_of(of)));
      of[tile * 50][3] ^= 1;
      CHECK_FALSE(verdict(tree::root_of(of)));
    }
  }
}
