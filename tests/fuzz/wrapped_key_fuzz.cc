// A file of keys/ that parses is written back as the same bytes, its name as the same name, and nothing opens it.
#include "engine/protect/wrapped_key.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  if (const auto name = protect::WrappedName::parse(as_text(input))) KHIPU_ASSERT(name->text() == as_text(input));
  const auto key = protect::parse_wrapped(input);
  if (!key.ok()) {
    KHIPU_ASSERT(!key.error().message.empty() && key.error().message.size() < 200);
    return;
  }
  const Buffer again = protect::encode_wrapped(*key);
  KHIPU_ASSERT(std::equal(again.begin(), again.end(), input.begin(), input.end()));
  static const crypto::BoxKeyPair stranger = crypto::BoxKeyPair::generate();
  KHIPU_ASSERT(!key->unwrap(stranger).ok());
}
