// What strangers and authorization servers hand to mcp/auth: a token's header, a set of keys, the claims of a token
// that was signed. The first byte says which.
#include "mcp/auth/access_token.h"
#include "mcp/auth/key_set.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;
using namespace khipu::mcp;

KHIPU_FUZZ(input) {
  if (input.empty()) return;
  const std::string_view text = as_text(input).substr(1);
  // One P-256 key that signed nothing: its secret was never kept.
  static const auth::KeySet keys =
      auth::KeySet::parse(
          R"({"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
          R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})")
          .value();
  switch (input[0]) {
    case 't': {
      const Result<auth::TokenHeader> header = auth::parse_token_header(text);
      KHIPU_ASSERT(!keys.verify(text).ok());
      if (header.ok()) KHIPU_ASSERT(!keys.has_key_for(*header) || header->algorithm == "ES256");
      return;
    }
    case 'k': (void)auth::KeySet::parse(text); return;
    case 'c': {
      const Json claims = Json::parse(text, nullptr, false);
      if (!claims.is_object()) return;
      const auto caller = auth::caller_of(claims, {"https://i.example/", "https://r.example/mcp"}, 1'000'000'000'000);
      if (caller.ok()) KHIPU_ASSERT(caller->id.starts_with("oauth:") && claims.contains("exp"));
      return;
    }
    default: (void)auth::canonical_uri(text);
  }
}
