// Roots and the incremental builder, against the slow reference.
#include "tests/support/catch.h"
#include "tests/support/reference_tree.h"

using namespace khipu;
using namespace khipu::tests;

TEST_CASE("tree: leaf and node hashes are prefixed SHA-256") {
  CHECK(hex(tree::empty_root()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(tree::leaf_hash({})) == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  const Hash left = tree::leaf_hash({});
  const Hash right = tree::leaf_hash(Buffer{0});
  CHECK(hex(tree::node_hash(left, right)) == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
}

TEST_CASE("tree: leaves made many at once are those made one by one, whatever the sizes") {
  std::vector<Hash> leaves = {tree::empty_root()};  // what was there stays
  tree::LeafHasher hasher(leaves);
  const Buffer bytes(100'000, 0x5a);
  std::vector<Hash> expected = leaves;
  for (size_t i = 0; i < 700; ++i) {
    const Bytes record = Bytes(bytes).first(i % 50 == 49 ? i * 140 : i);
    hasher.add(record);
    expected.push_back(tree::leaf_hash(record));
  }
  hasher.finish();
  CHECK(leaves == expected);
  hasher.finish();
  CHECK(leaves == expected);
}

TEST_CASE("tree: the root of every size to 256 is the reference's, appended one by one and at once") {
  const std::vector<Hash> leaves = reference_leaves(256);
  tree::Builder one_by_one;
  CHECK(one_by_one.root() == tree::empty_root());
  for (size_t size = 1; size <= leaves.size(); ++size) {
    const Leaves part = Leaves(leaves).first(size);
    one_by_one.append(leaves[size - 1]);
    const Hash expected = reference_root(part);
    CHECK(one_by_one.size() == size);
    CHECK(one_by_one.root() == expected);
    CHECK(tree::root_of(part) == expected);
    tree::Builder at_once;
    std::array<std::vector<Hash>, tree::kLevelCount> levels;
    at_once.append(part, levels);
    CHECK(at_once.root() == expected);
  }
}

TEST_CASE("tree: level files hold complete subtrees, and roots and builders come back from them, around 65536") {
  const std::vector<Hash> leaves = reference_leaves(65536 + 700);
  MemoryLevels memory = MemoryLevels::of(leaves);
  CHECK(memory.levels[0] == leaves);
  REQUIRE(memory.levels[1].size() == leaves.size() / 256);
  REQUIRE(memory.levels[2].size() == 1);
  CHECK(memory.levels[3].empty());
  for (const size_t index : {0, 1, 255, 256, 257}) {
    CHECK(memory.levels[1][index] == reference_root(Leaves(leaves).subspan(256 * index, 256)));
  }
  CHECK(memory.levels[2][0] == reference_root(Leaves(leaves).first(65536)));
  const Hash whole = reference_root(leaves);

  for (const size_t size : {0, 1, 255, 256, 257, 65280, 65535, 65536, 65537, 65793}) {
    CAPTURE(size);
    const Hash expected = reference_root(Leaves(leaves).first(size));
    const auto root = tree::root_at(size, memory);
    REQUIRE(root.ok());
    CHECK(*root == expected);

    auto builder = tree::Builder::load(size, memory);
    REQUIRE(builder.ok());
    CHECK(builder->size() == size);
    CHECK(builder->root() == expected);
    // What it appends from here on is what one long run would have written.
    std::array<std::vector<Hash>, tree::kLevelCount> levels;
    builder->append(Leaves(leaves).subspan(size), levels);
    CHECK(builder->root() == whole);
    for (size_t level = 0; level < 3; ++level) {
      const uint64_t from = tree::Builder::complete(size, level);
      const std::vector<Hash> expected_tail(memory.levels[level].begin() + static_cast<std::ptrdiff_t>(from),
                                            memory.levels[level].end());
      CHECK(levels[level] == expected_tail);
    }
  }
}

TEST_CASE("tree: in how many pieces leaves are appended makes no difference") {
  const std::vector<Hash> leaves = reference_leaves(1500);
  const MemoryLevels whole = MemoryLevels::of(leaves);
  for (const size_t step : {1, 7, 255, 256, 257, 1000}) {
    MemoryLevels pieces;
    tree::Builder builder;
    for (size_t from = 0; from < leaves.size(); from += step) {
      builder.append(Leaves(leaves).subspan(from, std::min(step, leaves.size() - from)), pieces.levels);
    }
    CHECK(pieces.levels == whole.levels);
    CHECK(builder.root() == reference_root(leaves));
  }
}

TEST_CASE("tree: an error of the source comes through") {
  struct Failing : tree::HashSource {
    Result<void> read(size_t, uint64_t, std::span<Hash>) override { return Error{Code::kIo, "disk"}; }
  } failing;
  CHECK(tree::Builder::load(3, failing).error().code == Code::kIo);
  CHECK(tree::root_at(300, failing).error().code == Code::kIo);
  CHECK(tree::prove_inclusion(1, 3, failing).error().code == Code::kIo);
  CHECK(tree::prove_consistency(1, 3, failing).error().code == Code::kIo);
  CHECK(tree::Checker::open(3, Hash{}, failing).error().code == Code::kIo);
}
