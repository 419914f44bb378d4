// The keys of an authorization server (RFC 7517) and the signatures they verify (RFC 7515, compact form). The only door
// to librhonabwy. Not here: what a token's claims mean (access_token.h), where the keys come from (oauth.h).
//
// Only what verifies is kept: RSA from 2048 bits (RS*, PS*), P-256, P-384 and P-521 (ES*), Ed25519 (EdDSA). A key's
// kind decides which algorithms a token may name, never the token alone: no `none`, no HMAC with a public key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "mcp/jsonrpc/json.h"

namespace khipu::mcp::auth {

inline constexpr size_t kAccessTokenSizeMax = 8192;  // of the compact form; a header line holds no more

// What a token says of itself before anything is proven.
struct TokenHeader {
  std::string algorithm, key_id;  // key_id: empty when the token names none
};

// kInvalid for anything that is not three parts of base64url with a header we take: `typ` is absent, JWT or at+jwt
// (RFC 9068); no `crit`, no compression, no key or address of a key brought along.
Result<TokenHeader> parse_token_header(std::string_view token);

// Immutable; any thread.
class KeySet {
 public:
  // {"keys":[...]}. A private key in it is refused whole: that file is a secret in the wrong place. Keys of other uses
  // and kinds are passed over; none left is kInvalid.
  static Result<KeySet> parse(std::string_view text);
  // Whether a key could have signed what has this header.
  bool has_key_for(const TokenHeader& header) const;
  // The claims, which are an object, of a token signed by one of the keys; kForbidden for every other.
  Result<Json> verify(std::string_view token) const;
  size_t size() const { return keys_.size(); }

 private:
  struct Key {
    std::string id;
    std::vector<std::string> algorithms;
    std::string text;  // its public members as JSON: a fresh key of the library's is made for each use
    bool fits(const TokenHeader& header) const;
  };
  std::vector<Key> keys_;
};

}  // namespace khipu::mcp::auth
