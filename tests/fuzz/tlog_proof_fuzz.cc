// Proofs, policies and tile paths: what parses means the same after it was formatted, and nothing verifies that nobody
// signed.
#include "engine/tree/tile_path.h"
#include "engine/tree/tlog_proof.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const std::string_view text = as_text(input);
  if (const auto proof = tree::parse_tlog_proof(text); proof.ok()) {
    KHIPU_ASSERT(tree::format_tlog_proof(*proof) == text);
    tree::VerifierKey key;
    key.name = "log.example/audit";
    KHIPU_ASSERT(!tree::verify_tlog_proof(*proof, Hash{}, tree::Policy::of(key)).right);
  }
  if (const auto path = tree::parse_tile_path(text)) KHIPU_ASSERT(tree::format_tile_path(*path) == text);
  if (const auto policy = tree::Policy::parse(text); policy.ok()) {
    KHIPU_ASSERT(!policy->accepts({"text\n", {}}, "log.example/audit"));
  }
}
