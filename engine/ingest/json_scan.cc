#include "engine/ingest/json_scan.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "engine/codec/cbor.h"

namespace khipu::ingest {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hex digits at `at`, or -1.
int32_t hex4(std::string_view text, size_t at) {
  if (text.size() < 4 || at > text.size() - 4) return -1;
  int32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const int nibble = hex_digit(text[i]);
    if (nibble < 0) return -1;
    value = value * 16 + nibble;
  }
  return value;
}

bool high_surrogate(int32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool low_surrogate(int32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

char* put_utf8(char* to, uint32_t code) {
  const auto put = [&](uint32_t byte) { *to++ = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
  return to;
}

}  // namespace

bool JsonScanner::skip_string() {
  ++at_;  // the opening quote
  for (;;) {
    while (at_ + 8 <= text_.size()) {
      uint64_t word;
      std::memcpy(&word, text_.data() + at_, 8);
      const uint64_t stops = string_stops(word);
      if (stops != 0) {
        at_ += static_cast<size_t>(std::countr_zero(stops)) / 8;
        break;
      }
      at_ += 8;
    }
    if (at_ >= text_.size()) return fail("the text ends inside a string");
    const char c = text_[at_];
    if (c == '"') {
      ++at_;
      return true;
    }
    if (static_cast<unsigned char>(c) < 0x20) return fail("a control character inside a string must be escaped");
    if (c != '\\') {
      ++at_;
      continue;
    }
    if (at_ + 1 >= text_.size()) return fail("the text ends inside a string");
    if (text_[at_ + 1] != 'u') {
      if (std::strchr("\"\\/bfnrt", text_[at_ + 1]) == nullptr || text_[at_ + 1] == 0) return fail("unknown escape");
      at_ += 2;
      continue;
    }
    const int32_t unit = hex4(text_, at_ + 2);
    if (unit < 0) return fail("\\u needs four hex digits");
    at_ += 6;
    if (low_surrogate(unit)) return fail("a lone surrogate is no character");
    if (!high_surrogate(unit)) continue;
    if (at_ + 1 >= text_.size() || text_[at_] != '\\' || text_[at_ + 1] != 'u' ||
        !low_surrogate(hex4(text_, at_ + 2))) {
      return fail("a lone surrogate is no character");
    }
    at_ += 6;
  }
}

bool JsonScanner::skip_number() {
  const auto digits = [&] {
    const size_t from = at_;
    while (at_ < text_.size() && digit(text_[at_])) ++at_;
    return at_ - from;
  };
  if (text_[at_] == '-') ++at_;
  const bool zero = at_ < text_.size() && text_[at_] == '0';
  const size_t whole = digits();
  if (whole == 0) return fail("expected a digit");
  if (zero && whole > 1) return fail("a number does not begin with 0");
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    if (digits() == 0) return fail("expected a digit after the point");
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    if (digits() == 0) return fail("expected a digit in the exponent");
  }
  return true;
}

bool JsonScanner::skip_word(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) return fail("expected a value");
  at_ += word.size();
  return true;
}

bool JsonScanner::skip_scalar() {
  switch (peek()) {
    case '"': return skip_string();
    case 't': return skip_word("true");
    case 'f': return skip_word("false");
    case 'n': return skip_word("null");
    default:
      if (at_ == text_.size()) return fail("the text ends where a value is expected");
      if (text_[at_] == '-' || digit(text_[at_])) return skip_number();
      return fail("expected a value");
  }
}

bool JsonScanner::string(std::string_view& raw, bool& escaped) {
  if (peek() != '"') return fail("expected a string");
  const size_t from = at_ + 1;
  if (!skip_string()) return false;
  raw = text_.substr(from, at_ - 1 - from);
  escaped = std::memchr(raw.data(), '\\', raw.size()) != nullptr;
  return true;
}

bool JsonScanner::value(std::string_view& raw) {
  peek();
  const size_t from = at_;
  std::array<bool, kJsonDepthMax> is_object{};
  uint32_t depth = 0;
  for (;;) {
    // A value begins here; `opened` when it was a container that is not empty.
    const char c = peek();
    if (c == '{' || c == '[') {
      if (depth == kJsonDepthMax) return fail("nested too deep (at most 128 levels)");
      ++at_;
      is_object[depth++] = c == '{';
      if (peek() == (c == '{' ? '}' : ']')) {
        ++at_;
        --depth;
      } else {
        if (c == '{') {
          if (peek() != '"') return fail("expected a member name");
          if (!skip_string()) return false;
          if (!take(':')) return fail("expected ':'");
        }
        continue;
      }
    } else if (!skip_scalar()) {
      return false;
    }
    // A value ended here: close what it ends, or go on to the next one.
    while (depth > 0 && peek() == (is_object[depth - 1] ? '}' : ']')) {
      ++at_;
      --depth;
    }
    if (depth == 0) break;
    if (!take(',')) return fail(is_object[depth - 1] ? "expected ',' or '}'" : "expected ',' or ']'");
    if (is_object[depth - 1]) {
      if (peek() != '"') return fail("expected a member name");
      if (!skip_string()) return false;
      if (!take(':')) return fail("expected ':'");
    }
  }
  raw = text_.substr(from, at_ - from);
  return true;
}

size_t unescape(std::string_view raw, char* to) {
  const char* const start = to;
  for (size_t at = 0; at < raw.size();) {
    if (raw[at] != '\\') {
      *to++ = raw[at++];
      continue;
    }
    const char c = raw[at + 1];
    at += 2;
    switch (c) {
      case 'b': *to++ = '\b'; break;
      case 'f': *to++ = '\f'; break;
      case 'n': *to++ = '\n'; break;
      case 'r': *to++ = '\r'; break;
      case 't': *to++ = '\t'; break;
      case 'u': {
        auto code = static_cast<uint32_t>(hex4(raw, at));
        at += 4;
        if (high_surrogate(static_cast<int32_t>(code))) {
          code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<uint32_t>(hex4(raw, at + 2)) - 0xDC00);
          at += 6;
        }
        to = put_utf8(to, code);
        break;
      }
      default: *to++ = c;  // quote, backslash, slash
    }
  }
  return static_cast<size_t>(to - start);
}

Result<codec::Value> number_value(std::string_view raw) {
  const char* const end = raw.data() + raw.size();
  if (raw.find_first_of(".eE") == std::string_view::npos) {
    if (raw.front() == '-') {
      int64_t value = 0;
      if (std::from_chars(raw.data(), end, value).ec == std::errc{}) return codec::Value::of_integer(value);
    } else {
      uint64_t value = 0;
      if (std::from_chars(raw.data(), end, value).ec == std::errc{}) return codec::Value::of_unsigned(value);
    }
    return Error{Code::kInvalid, "an integer outside 64 bits cannot be kept exactly: send it as text"};
  }
  double value = 0;
  if (std::from_chars(raw.data(), end, value).ec != std::errc{} || !std::isfinite(value)) {
    return Error{Code::kInvalid, "a number outside the range of a double: send it as text"};
  }
  return codec::Value::of_real(value);
}

Result<void> check_json(std::string_view text) {
  if (!codec::valid_utf8(as_bytes(text))) return Error{Code::kInvalid, "not valid UTF-8"};
  JsonScanner scanner(text);
  std::string_view raw;
  if (!scanner.value(raw)) {
    return Error{Code::kInvalid, "not JSON at byte " + std::to_string(scanner.offset()) + ": " + scanner.why()};
  }
  if (!scanner.at_end()) {
    return Error{Code::kInvalid, "not JSON at byte " + std::to_string(scanner.offset()) + ": more after the value"};
  }
  return {};
}

}  // namespace khipu::ingest
