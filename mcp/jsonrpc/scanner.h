// The words of a JSON text (RFC 8259): strings, numbers, literals, and what stands between them. Not here: the grammar,
// and what is made of the words (parse.cc).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "mcp/jsonrpc/json.h"

namespace khipu::mcp::jsonrpc {

// What ends a run of bytes that stand for themselves within a string.
inline constexpr std::array<bool, 256> kEndsRun = [] {
  std::array<bool, 256> ends{};
  for (size_t byte = 0; byte < 0x20; ++byte) ends[byte] = true;
  ends['"'] = ends['\\'] = true;
  return ends;
}();

// Borrows a text that is UTF-8. What returns nullopt has found something that is no JSON; then the scanner is of no
// further use.
class Scanner {
 public:
  explicit Scanner(std::string_view text);

  // The next byte that is not blank, which stays; 0 at the end, and for a byte 0, which is nowhere allowed.
  char peek() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    return at_ == end_ ? '\0' : *at_;
  }
  bool take(char c) {
    if (peek() != c || at_ == end_) return false;
    ++at_;
    return true;
  }
  bool is_at_end() { return peek() == '\0' && at_ == end_; }

  // The three begin with the first byte of what they read. A string is valid until the next one is read.
  std::optional<std::string_view> string();
  std::optional<Json> number();
  std::optional<Json> literal();

 private:
  bool unescape();
  std::optional<unsigned> hex4();
  void skip_digits();

  const char* at_;
  const char* const end_;
  std::string unescaped_;
};

}  // namespace khipu::mcp::jsonrpc
