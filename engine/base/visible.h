// Which code points a terminal shows and which it acts on, and JSON that holds none of the latter. Not here: how a
// person's line shows them (engine/cli/output.h), what a client of khipu-mcp may see (mcp/tools/unicode.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace khipu {

struct CodePoint {
  uint32_t value = 0;
  size_t size = 0;  // bytes; 0: the first byte begins no well-formed sequence
};
CodePoint first_code_point(std::string_view text);  // of a text that is not empty

// Not: C0, DEL and C1 controls, line and paragraph separators, bidirectional and zero-width marks, tags.
bool is_visible(uint32_t code_point);

// "\u202e", of one above U+FFFF two of them.
void append_json_escape(std::string& to, uint32_t code_point);
// Appends JSON text that reads as the same values and drives no terminal: what is not visible can only stand in its
// strings, where it is escaped. Bytes that are not UTF-8 become U+FFFD. Line ends stay.
void append_visible_json(std::string& to, std::string_view json);

}  // namespace khipu
