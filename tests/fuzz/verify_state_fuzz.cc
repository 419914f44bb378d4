// The state an auditor keeps: what parses prints as the same bytes. Its check digits are put on here, as no fuzzer
// finds them.
#include "engine/crypto/hash.h"
#include "engine/verify/state.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const std::string body(as_text(input));
  const std::string text = body + "check: " + hex(Bytes(crypto::sha256(as_bytes(body))).first(4)) + "\n";
  for (const std::string& given : {body, text}) {
    if (const auto state = verify::parse_state(given); state.ok()) KHIPU_ASSERT(verify::format_state(*state) == given);
  }
}
