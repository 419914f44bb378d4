// The tokens file: what is taken is written in a form that is taken as the same, and no text that is not a token is
// found in it.
#include "engine/auth/tokens.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const Result<auth::Tokens> tokens = auth::Tokens::parse(as_text(input));
  if (!tokens.ok()) return;
  const std::string text = tokens->format();
  const Result<auth::Tokens> again = auth::Tokens::parse(text);
  KHIPU_ASSERT(again.ok() && again->format() == text);
  for (const auth::Token& token : tokens->list()) KHIPU_ASSERT(!token.grants.empty());
  KHIPU_ASSERT(tokens->find(as_text(input), 0) == nullptr);
}
