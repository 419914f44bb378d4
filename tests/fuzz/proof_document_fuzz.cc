// Proof documents: what parses means the same after it was printed, and with a key that signed nothing no document is
// right.
#include "engine/proof/check.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const auto document = proof::parse_document(as_text(input));
  if (!document.ok()) return;
  const auto again = proof::parse_document(proof::format_document(*document));
  KHIPU_ASSERT(again.ok() && *again == *document);
  tree::VerifierKey key;
  key.name = "log.example/audit";
  const bool right = std::visit([&](const auto& bundle) { return proof::check(bundle, key).right; }, *document);
  KHIPU_ASSERT(!right);
}
