// Where a text holds what looks like a secret: known key shapes, bearer tokens, private keys, "password=...".
//
// For display and for searches alike: what is hashed and stored never changes, and the reveal grant shows it. A guess
// both ways: it masks some words that are none, and misses secrets without a shape.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/query/masking.h"

namespace khipu::mcp::tools {

using Span = query::Stretch;

// Ascending, not overlapping. `known`: secrets of the same event, found wherever they stand, also escaped as in JSON
// strings; those of fewer than kKnownSizeMin bytes are left out, or they would hide half of every text.
inline constexpr size_t kKnownSizeMin = 6;
std::vector<Span> find_secrets(std::string_view raw, const std::vector<std::string>& known = {});

// Whether a field of this name holds a secret whatever its value: "password", "client_secret", "X-Api-Key".
bool is_secret_name(std::string_view name);

// What of an event's url is behind the question mark is looked at by itself, as it is shown.
struct UrlParts {
  std::string_view path, query;
};
UrlParts parts_of_url(std::string_view url);

// The same for whoever searches without the right to see them.
const query::Masking& secrets_masking();

}  // namespace khipu::mcp::tools
