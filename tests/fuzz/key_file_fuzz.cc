// A key file that parses prints back as the same text, so no two texts hold one key; and errors never quote the input.
#include "engine/crypto/key_file.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const auto key = crypto::parse_key(input);
  if (!key.ok()) {
    KHIPU_ASSERT(!key.error().message.empty() && key.error().message.size() < 200);
    return;
  }
  const auto text = crypto::print_key(*key);
  KHIPU_ASSERT(text.ok() && as_text(text->bytes()) == as_text(input));
}
