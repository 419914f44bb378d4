// Proofs as text, and the paths of tiles.
#include "engine/tree/tlog_proof.h"

#include "engine/tree/tile_path.h"
#include "engine/tree/tree.h"
#include "tests/support/catch.h"
#include "tests/support/reference_tree.h"

using namespace khipu;
using namespace khipu::tests;
using tree::TlogProof;

namespace {

constexpr std::string_view kOrigin = "log.example/audit";

struct Log {
  explicit Log(size_t size) {
    for (size_t i = 0; i < size; ++i) leaves.push_back(tree::leaf_hash(as_bytes("leaf " + std::to_string(i))));
    for (const Hash& leaf : leaves) builder.append(leaf);
    levels = MemoryLevels::of(leaves);
  }
  std::string checkpoint(std::string_view origin = kOrigin) const {
    tree::Note note{tree::format_checkpoint({std::string(origin), leaves.size(), builder.root(), {}}), {}};
    tree::sign_note(note, kOrigin, key);
    return tree::format_note(note);
  }
  TlogProof prove(uint64_t index) {
    return {std::nullopt, index, tree::prove_inclusion(index, leaves.size(), levels).value(), checkpoint()};
  }
  tree::Policy policy() const {
    return tree::Policy::of({std::string(kOrigin), tree::KeyType::kEd25519, key.public_key()});
  }
  crypto::SigningKey key = crypto::SigningKey::generate();
  std::vector<Hash> leaves;
  tree::Builder builder;
  MemoryLevels levels;
};

}  // namespace

TEST_CASE("proof text: what is proven parses, formats to the same text and verifies, and nothing else does") {
  Log log(300);
  for (const uint64_t index : {0, 1, 255, 256, 299}) {
    CAPTURE(index);
    const TlogProof proof = log.prove(index);
    const std::string text = tree::format_tlog_proof(proof);
    const auto parsed = tree::parse_tlog_proof(text);
    REQUIRE(parsed.ok());
    CHECK(*parsed == proof);
    const auto verified = tree::verify_tlog_proof(*parsed, log.leaves[index], log.policy());
    CHECK(verified.right);
    CHECK(verified.checkpoint.size == 300);
    CHECK_FALSE(tree::verify_tlog_proof(*parsed, log.leaves[index ^ 1], log.policy()).right);
  }
}

TEST_CASE("proof text: no bit of it can change and still verify") {
  Log log(5);
  const std::string text = tree::format_tlog_proof(log.prove(3));
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    const auto parsed = tree::parse_tlog_proof(changed);
    if (parsed.ok()) CHECK_FALSE(tree::verify_tlog_proof(*parsed, log.leaves[3], log.policy()).right);
  }
  for (size_t size = 0; size < text.size(); ++size) {
    const auto parsed = tree::parse_tlog_proof(std::string_view(text).substr(0, size));
    if (parsed.ok()) CHECK_FALSE(tree::verify_tlog_proof(*parsed, log.leaves[3], log.policy()).right);
  }
}

TEST_CASE("proof text: extra data comes in front of the index, is kept, and decides nothing") {
  Log log(4);
  TlogProof proof = log.prove(2);
  proof.extra = Buffer{'x'};
  const auto parsed = tree::parse_tlog_proof(tree::format_tlog_proof(proof));
  REQUIRE(parsed.ok());
  CHECK(*parsed == proof);
  CHECK(tree::verify_tlog_proof(*parsed, log.leaves[2], log.policy()).right);
  const std::string rest = "\n" + log.checkpoint();
  CHECK(tree::parse_tlog_proof("c2sp.org/tlog-proof@v1\nindex 0\n" + rest).ok());
  for (const char* head : {"c2sp.org/tlog-proof@v1\nindex 0\nextra eA==\n", "c2sp.org/tlog-proof@v1\nindex 00\n",
                           "c2sp.org/tlog-proof@v1\nindex -1\n", "c2sp.org/tlog-proof@v1\nindex \n",
                           "c2sp.org/tlog-proof@v1\nindex 18446744073709551616\n", "c2sp.org/tlog-proof@v2\nindex 0\n",
                           "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nextra !\nindex 0\n",
                           "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n"}) {
    CAPTURE(head);
    CHECK_FALSE(tree::parse_tlog_proof(head + rest).ok());
  }
  const std::string hash = base64(Hash{}) + "\n";
  std::string long_path = "c2sp.org/tlog-proof@v1\nindex 0\n";
  for (int i = 0; i < 63; ++i) long_path += hash;
  CHECK(tree::parse_tlog_proof(long_path + rest).ok());
  CHECK_FALSE(tree::parse_tlog_proof(long_path + hash + rest).ok());
}

TEST_CASE("proof text: a checkpoint of another origin, or signed by another key, is refused") {
  Log log(4);
  TlogProof proof = log.prove(2);
  proof.checkpoint = log.checkpoint("log.example/other");
  CHECK_FALSE(tree::verify_tlog_proof(proof, log.leaves[2], log.policy()).right);
  proof = log.prove(2);
  CHECK_FALSE(tree::verify_tlog_proof(proof, log.leaves[2], Log(4).policy()).right);
}

TEST_CASE("tile path: every path that is made parses to the same tile, neighbours of it do not") {
  for (const uint64_t index :
       {uint64_t{0}, uint64_t{67}, uint64_t{999}, uint64_t{1000}, uint64_t{1234067}, UINT64_MAX}) {
    for (const unsigned width : {1U, 112U, 255U, 256U}) {
      for (const std::optional<unsigned> level : {std::optional<unsigned>(), std::optional(0U), std::optional(63U)}) {
        const tree::TilePath path{level, index, width};
        const std::string text = tree::format_tile_path(path);
        CHECK(tree::parse_tile_path(text) == path);
        CHECK_FALSE(tree::parse_tile_path(text + "/"));
        CHECK_FALSE(tree::parse_tile_path("/" + text));
        CHECK_FALSE(tree::parse_tile_path(text + " "));
      }
    }
  }
}
