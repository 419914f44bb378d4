// Where a text holds what looks like a secret: known key shapes, bearer tokens, private keys, "password=...".
//
// For display only: what is hashed and stored never changes, and the reveal grant shows it. A guess both ways: it masks
// some words that are none, and misses secrets without a shape.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace khipu::mcp::tools {

struct Span {
  size_t begin = 0;
  size_t end = 0;
};

// Ascending, not overlapping.
std::vector<Span> find_secrets(std::string_view raw);

// Whether a field of this name holds a secret whatever its value: "password", "client_secret", "X-Api-Key".
bool is_secret_name(std::string_view name);

}  // namespace khipu::mcp::tools
