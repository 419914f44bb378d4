// Bearer tokens of remote producers and readers: minted, hashed, stored, checked. Only hashes are kept: the token
// itself is printed once, when it is made. Not here: where a token is asked for (engine/daemon, mcp/auth).
//
// The file `tokens` in the keys folder, 0600, text:
//   khipu-tokens/1
//   token NAME SHA256 GRANTS CREATED EXPIRES [types=LIST] [sources=LIST]
// one line a token, single spaces, ordered by name. NAME is [A-Za-z0-9._-]{1,64}; SHA256 is 64 lower-case hex digits of
// SHA-256(token as text); GRANTS is a comma list in the order of the enumeration; CREATED is RFC 3339 in UTC; EXPIRES
// too, or "never". LIST is what the token may see of the log: comma-parted, ascending and each once, every byte outside
// [A-Za-z0-9._:/@-] as %HH in capitals; a list that is not there does not restrict. Valid if and only if every line has
// that form, names and hashes are unique, and the last line ends with a line break. Written by replace_file under an
// exclusive lock on `tokens.lock`. A token is 256 random bits, so a plain hash keeps it: there is nothing to guess.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/os/clock.h"
#include "engine/os/file.h"

namespace khipu::auth {

// Deny by default: a token may do what it was given, nothing else. The writer's listener asks for kIngest, the MCP
// server for the others.
enum class Grant : uint8_t { kIngest = 0, kQuery, kReveal, kProve, kVerify, kAccessLog };
inline constexpr size_t kGrantCount = 6;
std::string_view name(Grant grant);  // "ingest" "query" "reveal" "prove" "verify" "access_log"
std::optional<Grant> grant(std::string_view name);

struct Token {
  std::string name;
  Hash hash{};
  std::vector<Grant> grants;  // ascending, at least one
  // Scope of a reader: entity types and sources; empty: all. Ascending.
  std::vector<std::string> types, sources;
  TimeUs created = 0;
  std::optional<TimeUs> expires;
  bool may(Grant grant) const;
  bool expired(TimeUs now) const { return expires.has_value() && now >= *expires; }
};

// The token in the value of an Authorization header, whose scheme is of either case (RFC 9110 11.1); empty when it is
// of another scheme.
std::string_view bearer_token(std::string_view authorization);

// The tokens in force. Immutable; readers share one by shared_ptr<const Tokens>, a reload makes the next.
class Tokens {
 public:
  static Result<Tokens> parse(std::string_view text);
  std::string format() const;
  // The unexpired token with this text, or nullptr: unknown and expired look the same. Compares with every entry, each
  // in constant time.
  const Token* find(std::string_view token, TimeUs now) const;
  const std::vector<Token>& list() const { return tokens_; }

 private:
  friend Result<std::string> mint(os::Directory&, os::Random&, TimeUs, Token);
  friend Result<void> revoke(os::Directory&, std::string_view);
  std::vector<Token> tokens_;
};

inline constexpr std::string_view kTokensName = "tokens";
inline constexpr std::string_view kTokenPrefix = "khp_";  // what secret scanners look for

// No file: no tokens. kForbidden, naming the bit, when the file is not ours alone.
Result<Tokens> load_tokens(os::Directory& keys);
// Makes a token with the name, grants and expiry of `wanted` and returns its text. kConflict when the name is taken.
Result<std::string> mint(os::Directory& keys, os::Random& random, TimeUs now, Token wanted);
// kNotFound when there is none of this name.
Result<void> revoke(os::Directory& keys, std::string_view name);

}  // namespace khipu::auth
