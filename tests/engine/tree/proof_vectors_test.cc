// Published and generated vectors of proofs as text, policies and tile paths.
#include <nlohmann/json.hpp>

#include "engine/tree/tile_path.h"
#include "engine/tree/tlog_proof.h"
#include "engine/tree/tree.h"
#include "tests/support/catch.h"
#include "tests/support/shared.h"

using namespace khipu;
using namespace khipu::tests;
using nlohmann::json;
using tree::Policy;

static std::string decoded(const json& base64_text) {
  const auto bytes = from_base64(base64_text.get<std::string>());
  REQUIRE(bytes.has_value());
  return std::string(as_text(*bytes));
}

static bool verifies(const std::string& proof_text, const std::string& record, const Policy& policy) {
  const auto proof = tree::parse_tlog_proof(proof_text);
  return proof.ok() && tree::verify_tlog_proof(*proof, tree::leaf_hash(as_bytes(record)), policy).right;
}

TEST_CASE("vectors: generated proofs as text, under their policies") {
  const auto folder = shared_path("vectors/generated/tlog-proof");
  if (!folder) SKIP("no vectors beside the repository");
  const json index = json::parse(file_text(*folder / "index.json"));
  CHECK(index.size() >= 9);
  for (const json& item : index) {
    const std::string name = item["name"];
    CAPTURE(name);
    const auto policy = Policy::parse(file_text(*folder / (name + ".policy")));
    REQUIRE(policy.ok());
    CHECK(verifies(file_text(*folder / (name + ".tlog-proof")), file_text(*folder / (name + ".leaf")), *policy) ==
          (item["expect"] == "accept"));
  }
}

TEST_CASE("vectors: proofs out of a public log") {
  const auto folder = shared_path("vectors/published/rekor2");
  if (!folder) SKIP("no vectors beside the repository");
  const json index = json::parse(file_text(*folder / "index.json"));
  CHECK(index.size() >= 4);
  for (const json& item : index) {
    CAPTURE(item["proof"].get<std::string>());
    const auto key = tree::VerifierKey::parse(item["vkeys"][0].get<std::string>());
    REQUIRE(key.ok());
    CHECK(verifies(file_text(*folder / item["proof"].get<std::string>()),
                   file_text(*folder / item["leaf"].get<std::string>()),
                   Policy::of(*key)) == (item["expect"] == "accept"));
  }
}

TEST_CASE("vectors: policies parse or are refused") {
  const auto path = shared_path("vectors/generated/policy/parse.json");
  if (!path) SKIP("no vectors beside the repository");
  for (const json& item : json::parse(file_text(*path))) {
    CAPTURE(item["desc"].get<std::string>());
    CHECK(Policy::parse(decoded(item["policyBase64"])).ok() == (item["expect"] == "accept"));
  }
}

TEST_CASE("vectors: quorums are met or not") {
  const auto path = shared_path("vectors/generated/policy/quorum.json");
  if (!path) SKIP("no vectors beside the repository");
  for (const json& item : json::parse(file_text(*path))) {
    CAPTURE(item["desc"].get<std::string>());
    const auto policy = Policy::parse(decoded(item["policyBase64"]));
    REQUIRE(policy.ok());
    const auto note = tree::parse_note(decoded(item["checkpointBase64"]));
    REQUIRE(note.ok());
    const auto checkpoint = tree::parse_checkpoint(note->text);
    REQUIRE(checkpoint.ok());
    CHECK(policy->accepts(*note, checkpoint->origin) == item["satisfied"].get<bool>());
  }
}

TEST_CASE("vectors: tile paths") {
  const auto file = shared_path("vectors/published/tile-paths.json");
  if (!file) SKIP("no vectors beside the repository");
  const json vectors = json::parse(file_text(*file));
  for (const json& item : vectors["cases"]) {
    const std::string text = item["path"];
    CAPTURE(text);
    tree::TilePath path;
    if (item["level"].is_number()) path.level = item["level"].get<unsigned>();
    path.index = item["n"].get<uint64_t>();
    path.width = item["width"].get<unsigned>();
    CHECK(tree::parse_tile_path(text) == path);
    CHECK(tree::format_tile_path(path) == text);
  }
  for (const json& text : vectors["invalid"]) {
    CAPTURE(text.get<std::string>());
    CHECK_FALSE(tree::parse_tile_path(text.get<std::string>()));
  }
}
