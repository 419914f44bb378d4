// Reads one JSON text (RFC 8259) front to back and strictly, without building anything: where values begin and end,
// strings, numbers. For texts that are kept verbatim, so that big numbers, repeated members and any spelling survive.
// Not a DOM: foreign records are parsed with simdjson in engine/import.
//
// Stricter than the grammar in two points: nesting is bounded, and an escaped lone surrogate is refused because it has
// no UTF-8. UTF-8 itself is checked by the caller over the whole text at once (check_json does).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/result.h"
#include "engine/codec/record.h"

namespace khipu::ingest {

inline constexpr uint32_t kJsonDepthMax = 128;

class JsonScanner {
 public:
  explicit JsonScanner(std::string_view text) : text_(text) {}

  // The next byte that is not white space, or 0 at the end of the text.
  char peek() {
    while (at_ < text_.size() && text_[at_] <= ' ' && space(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  // Consumes `c` if it is the next byte that is not white space.
  bool take(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  // A string's bytes between its quotes, escapes still in; `escaped` says whether there are any.
  bool string(std::string_view& raw, bool& escaped);
  // One whole value of any kind; `raw` is its text without white space around it.
  bool value(std::string_view& raw);
  // Only white space is left.
  bool at_end() { return peek() == 0 && at_ == text_.size(); }

  size_t offset() const { return at_; }
  // Why the last call returned false: "expected ':'". Static text.
  const char* why() const { return why_; }
  bool fail(const char* why) {
    if (*why_ == 0) why_ = why;
    return false;
  }

 private:
  static bool space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  bool skip_string();
  bool skip_number();
  bool skip_word(std::string_view word);
  bool skip_scalar();

  std::string_view text_;
  size_t at_ = 0;
  const char* why_ = "";
};

// A set high bit for each of eight bytes (the first is the lowest) that ends a plain run of a string: quote, backslash,
// control. The lowest one is exact, higher ones may be false (a borrow): only the lowest may be used.
inline uint64_t string_stops(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101ULL;
  const uint64_t quote = word ^ (kOnes * '"');
  const uint64_t slash = word ^ (kOnes * '\\');
  return (((word - kOnes * 0x20) & ~word) | ((quote - kOnes) & ~quote) | ((slash - kOnes) & ~slash)) &
         0x8080808080808080ULL;
}

// Writes the text that escapes stand for to `to` (room for raw.size() bytes) and returns its size. `raw` is what
// JsonScanner::string returned.
size_t unescape(std::string_view raw, char* to);

// An exact integer when it is written as one, else the nearest double. kInvalid when it fits neither int64 nor uint64,
// or is not finite. `raw` is a JSON number.
Result<codec::Value> number_value(std::string_view raw);

// kInvalid with offset and reason unless `text` is exactly one JSON value in UTF-8.
Result<void> check_json(std::string_view text);

}  // namespace khipu::ingest
