// Published and generated vectors of the contract documents: Merkle proofs, roots, notes, keys, checkpoints, tile logs.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"
#include "engine/tree/tree.h"
#include "tests/support/catch.h"
#include "tests/support/reference_tree.h"
#include "tests/support/shared.h"

using namespace khipu;
using namespace khipu::tests;
using nlohmann::json;
using tree::VerifierKey;

static std::string decoded(const json& base64_text) {
  const auto bytes = from_base64(base64_text.get<std::string>());
  REQUIRE(bytes.has_value());
  return std::string(as_text(*bytes));
}

// A hash that is not 32 bytes can only be refused, as our functions cannot even be asked.
static std::optional<Hash> hash_of(const json& base64_text) {
  if (base64_text.is_null()) return std::nullopt;
  const std::string bytes = decoded(base64_text);
  Hash hash;
  if (bytes.size() != hash.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

static std::optional<std::vector<Hash>> hashes_of(const json& list) {
  std::vector<Hash> hashes;
  if (list.is_null()) return hashes;
  for (const json& item : list) {
    const auto hash = hash_of(item);
    if (!hash) return std::nullopt;
    hashes.push_back(*hash);
  }
  return hashes;
}

static uint64_t number_of(const json& item) { return item.is_number_unsigned() ? item.get<uint64_t>() : UINT64_MAX; }

static void check_inclusion(const json& item) {
  const auto leaf = hash_of(item["leafHash"]);
  const auto root = hash_of(item["root"]);
  const auto proof = hashes_of(item["proof"]);
  const bool right =
      leaf && root && proof &&
      tree::verify_inclusion(*leaf, number_of(item["leafIdx"]), number_of(item["treeSize"]), *proof, *root);
  CAPTURE(item.value("desc", ""), item.dump());
  CHECK(right != item["wantErr"].get<bool>());
}

static void check_consistency(const json& item) {
  const auto old_root = hash_of(item["root1"]);
  const auto root = hash_of(item["root2"]);
  const auto proof = hashes_of(item["proof"]);
  const bool right =
      old_root && root && proof &&
      tree::verify_consistency(number_of(item["size1"]), number_of(item["size2"]), *proof, *old_root, *root);
  CAPTURE(item.value("desc", ""), item.dump());
  CHECK(right != item["wantErr"].get<bool>());
}

TEST_CASE("vectors: published Merkle proofs") {
  const auto folder = shared_path("vectors/published/merkle");
  if (!folder) SKIP("no vectors beside the repository");
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(*folder)) {
    if (!entry.is_regular_file()) continue;
    const json item = json::parse(file_text(entry.path()));
    item.contains("leafIdx") ? check_inclusion(item) : check_consistency(item);
    ++count;
  }
  CHECK(count > 30);
}

TEST_CASE("vectors: generated Merkle proofs") {
  const auto path = shared_path("vectors/generated/merkle/cases.json");
  if (!path) SKIP("no vectors beside the repository");
  const json items = json::parse(file_text(*path));
  CHECK(items.size() == 727);
  for (const json& item : items) item["kind"] == "inclusion" ? check_inclusion(item) : check_consistency(item);
}

TEST_CASE("vectors: proofs in trees of tens of millions") {
  const auto path = shared_path("vectors/published/rekor1-inclusion.json");
  if (!path) SKIP("no vectors beside the repository");
  const json items = json::parse(file_text(*path));
  REQUIRE_FALSE(items.empty());
  for (const json& item : items) check_inclusion(item);
}

TEST_CASE("vectors: generated roots") {
  const auto path = shared_path("vectors/generated/merkle/roots.json");
  if (!path) SKIP("no vectors beside the repository");
  tree::Builder builder;
  const json file = json::parse(file_text(*path));
  for (const json& item : file["roots"]) {
    while (builder.size() < item["size"].get<uint64_t>()) {
      const uint64_t index = builder.size();
      const Hash seed = crypto::sha256(as_bytes("shared-2026-integrity/leaf/" + std::to_string(index)));
      Buffer leaf;
      for (int i = 0; i < 3; ++i) append(leaf, seed);
      leaf.resize(index * 7 % 91);
      builder.append(tree::leaf_hash(leaf));
    }
    CHECK(builder.root() == hash_of(item["root"]));
  }
  CHECK(builder.size() >= 256);
}

TEST_CASE("vectors: the reference tree of certificate transparency") {
  const auto path = shared_path("vectors/published/rfc6962-reference-tree.json");
  if (!path) SKIP("no vectors beside the repository");
  const json reference = json::parse(file_text(*path));
  std::vector<Hash> leaves;
  tree::Builder builder;
  for (size_t i = 0; i < reference["leaves"].size(); ++i) {
    leaves.push_back(tree::leaf_hash(*from_hex(reference["leaves"][i].get<std::string>())));
    builder.append(leaves.back());
    CHECK(hex(builder.root()) == reference["rootsBySize"][i]);
  }
  MemoryLevels memory = MemoryLevels::of(leaves);
  for (const json& item : reference["consistency"]) {
    const auto proof = tree::prove_consistency(item["size1"].get<uint64_t>(), item["size2"].get<uint64_t>(), memory);
    REQUIRE(proof.ok());
    REQUIRE(proof->size() == item["proof"].size());
    for (size_t i = 0; i < proof->size(); ++i) CHECK(hex((*proof)[i]) == item["proof"][i]);
  }
}

TEST_CASE("vectors: notes") {
  const auto path = shared_path("vectors/generated/notes/cases.json");
  if (!path) SKIP("no vectors beside the repository");
  for (const json& item : json::parse(file_text(*path))) {
    CAPTURE(item["desc"].get<std::string>());
    std::vector<VerifierKey> keys;
    for (const json& text : item["vkeys"]) {
      const auto key = VerifierKey::parse(text.get<std::string>());
      REQUIRE(key.ok());
      keys.push_back(*key);
    }
    const std::string text = decoded(item["noteBase64"]);
    const auto note = tree::parse_note(text);
    const tree::VerifiedNote verified = note.ok() ? tree::verify_note(*note, keys) : tree::VerifiedNote{};
    if (item["expect"] == "unspecified") continue;
    REQUIRE(verified.accepted() == (item["expect"] == "accept"));
    if (!verified.accepted()) continue;
    CHECK(tree::format_note(*note) == text);
    if (item.contains("textBase64")) CHECK(note->text == decoded(item["textBase64"]));
    REQUIRE(verified.by.size() == item["verified"].size());
    for (size_t i = 0; i < verified.by.size(); ++i) {
      const json& by = item["verified"][i];
      CHECK(verified.by[i].name == by["name"]);
      CHECK(static_cast<int>(verified.by[i].type) == by["type"]);
      CHECK(verified.by[i].time_s.has_value() == !by["time"].is_null());
      if (verified.by[i].time_s) CHECK(*verified.by[i].time_s == by["time"]);
    }
  }
}

TEST_CASE("vectors: verifier keys") {
  const auto path = shared_path("vectors/generated/notes/vkeys.json");
  if (!path) SKIP("no vectors beside the repository");
  for (const json& item : json::parse(file_text(*path))) {
    CAPTURE(item["desc"].get<std::string>());
    const auto key = VerifierKey::parse(item["vkey"].get<std::string>());
    if (item["expect"] == "unspecified") continue;
    CHECK(key.ok() == (item["expect"] == "accept"));
    if (key.ok()) CHECK(key->text() == item["vkey"]);
  }
}

TEST_CASE("vectors: signing gives the same bytes") {
  const auto path = shared_path("vectors/generated/notes/sign.json");
  if (!path) SKIP("no vectors beside the repository");
  for (const json& item : json::parse(file_text(*path))) {
    // PRIVATE+KEY+name+hash+base64(type, seed)
    const std::string text = item["skey"];
    const size_t hash_from = text.find('+', sizeof("PRIVATE+KEY+") - 1) + 1;
    const auto encoded = from_base64(text.substr(text.find('+', hash_from) + 1));
    REQUIRE(encoded.has_value());
    REQUIRE(encoded->size() == 33);
    const auto key = crypto::SigningKey::from_seed(crypto::SecretBytes::copy_of(Bytes(*encoded).subspan(1)));
    REQUIRE(key.ok());
    const auto vkey = VerifierKey::parse(item["vkey"].get<std::string>());
    REQUIRE(vkey.ok());
    tree::Note note{decoded(item["textBase64"]), {}};
    tree::sign_note(note, vkey->name, *key);
    CHECK(tree::format_note(note) == decoded(item["signedNoteBase64"]));
    CHECK(tree::verify_note(note, {*vkey}).accepted());
  }
}

TEST_CASE("vectors: checkpoints") {
  const auto path = shared_path("vectors/generated/checkpoints/cases.json");
  if (!path) SKIP("no vectors beside the repository");
  for (const json& item : json::parse(file_text(*path))) {
    CAPTURE(item["desc"].get<std::string>());
    const auto key = VerifierKey::parse(item["vkey"].get<std::string>());
    REQUIRE(key.ok());
    const auto note = tree::parse_note(decoded(item["noteBase64"]));
    REQUIRE(note.ok());
    CHECK(tree::verify_note(*note, {*key}).accepted());
    const auto checkpoint = tree::parse_checkpoint(note->text);
    const bool accepted = checkpoint.ok() && checkpoint->origin == item["expectedOrigin"];
    CHECK(accepted == (item["expect"] == "accept"));
    if (accepted) CHECK(tree::format_checkpoint(*checkpoint) == note->text);
  }
}

TEST_CASE("vectors: notes and checkpoints of others") {
  const auto folder = shared_path("vectors/published");
  if (!folder) SKIP("no vectors beside the repository");
  const auto trimmed = [](std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  };
  const auto accepts = [&](const std::filesystem::path& note_path, const std::filesystem::path& key_path) {
    const auto key = VerifierKey::parse(trimmed(file_text(key_path)));
    REQUIRE(key.ok());
    const auto note = tree::parse_note(file_text(note_path));
    CAPTURE(note_path.string());
    REQUIRE(note.ok());
    CHECK(tree::verify_note(*note, {*key}).accepted());
    return note->text;
  };
  accepts(*folder / "notes/c2sp-foo.note", *folder / "notes/c2sp-foo.vkey");
  accepts(*folder / "notes/go-peterneumann.note", *folder / "notes/go-peterneumann.vkey");
  for (const char* size : {"15067302", "30055305", "6476701"}) {
    const auto checkpoint = tree::parse_checkpoint(
        accepts(*folder / "sumdb" / (std::string("checkpoint.") + size), *folder / "sumdb/sum.golang.org.vkey"));
    REQUIRE(checkpoint.ok());
    CHECK(std::to_string(checkpoint->size) == size);
  }
  for (const char* name : {"c2sp-checkpoint-example", "c2sp-cosigned-checkpoint-example"}) {
    const auto note = tree::parse_note(file_text(*folder / "notes" / (std::string(name) + ".parse-only.note")));
    REQUIRE(note.ok());
    CHECK(tree::parse_checkpoint(note->text).ok());
  }
}

// The whole tiles and the partial one of level 0, joined, are our level file 0.
static void check_tile_log(const std::filesystem::path& folder, const std::vector<uint64_t>& sizes, uint64_t last) {
  std::string key_text = file_text(folder / "log.vkey");
  while (!key_text.empty() && key_text.back() == '\n') key_text.pop_back();
  const auto key = VerifierKey::parse(key_text);
  REQUIRE(key.ok());
  std::string bytes;
  if (last >= 256) bytes = file_text(folder / "tile/0/000");
  const std::string number = last >= 256 ? "001" : "000";
  bytes += file_text(folder / "tile/0" / (number + ".p") / std::to_string(last % 256));
  REQUIRE(bytes.size() == last * 32);
  std::vector<Hash> leaves(last);
  std::memcpy(leaves.data(), bytes.data(), bytes.size());
  MemoryLevels memory = MemoryLevels::of(leaves);
  for (const uint64_t size : sizes) {
    CAPTURE(size);
    const auto note = tree::parse_note(file_text(folder / ("checkpoint." + std::to_string(size))));
    REQUIRE(note.ok());
    CHECK(tree::verify_note(*note, {*key}).accepted());
    const auto checkpoint = tree::parse_checkpoint(note->text);
    REQUIRE(checkpoint.ok());
    CHECK(checkpoint->size == size);
    const auto root = tree::root_at(size, memory);
    REQUIRE(root.ok());
    CHECK(*root == checkpoint->root);
  }
}

TEST_CASE("vectors: logs of tiles, one of Tessera's and one generated") {
  const auto folder = shared_path("vectors");
  if (!folder) SKIP("no vectors beside the repository");
  check_tile_log(*folder / "published/tessera-log", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, 15);
  check_tile_log(*folder / "generated/tlog", {0, 1, 2, 255, 256, 257, 260}, 260);
}
