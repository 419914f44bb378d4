#include "mcp/jsonrpc/scanner.h"

#include <charconv>
#include <cstdint>

namespace khipu::mcp::jsonrpc {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

const char* end_of_run(const char* at, const char* end) {
  while (at != end && !kEndsRun[static_cast<uint8_t>(*at)]) ++at;
  return at;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, unsigned code) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    tail(12), tail(6), tail(0);
  }
}

}  // namespace

Scanner::Scanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {
  if (text.starts_with(kByteOrderMark)) at_ += kByteOrderMark.size();
}

std::optional<std::string_view> Scanner::string() {
  const char* const begin = ++at_;
  at_ = end_of_run(at_, end_);
  if (at_ != end_ && *at_ == '"') return std::string_view(begin, static_cast<size_t>(at_++ - begin));
  unescaped_.assign(begin, at_);
  while (at_ != end_ && *at_ == '\\') {
    if (!unescape()) return std::nullopt;
    const char* const run = at_;
    at_ = end_of_run(at_, end_);
    unescaped_.append(run, at_);
  }
  if (at_ == end_ || *at_ != '"') return std::nullopt;  // a control character
  ++at_;
  return unescaped_;
}

bool Scanner::unescape() {
  if (++at_ == end_) return false;
  switch (const char c = *at_++) {
    case '"':
    case '\\':
    case '/': unescaped_ += c; return true;
    case 'b': unescaped_ += '\b'; return true;
    case 'f': unescaped_ += '\f'; return true;
    case 'n': unescaped_ += '\n'; return true;
    case 'r': unescaped_ += '\r'; return true;
    case 't': unescaped_ += '\t'; return true;
    case 'u': break;
    default: return false;
  }
  std::optional<unsigned> code = hex4();
  if (!code || (*code >= 0xDC00 && *code <= 0xDFFF)) return false;
  if (*code >= 0xD800 && *code <= 0xDBFF) {
    if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') return false;
    at_ += 2;
    const std::optional<unsigned> low = hex4();
    if (!low || *low < 0xDC00 || *low > 0xDFFF) return false;
    code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
  }
  append_utf8(unescaped_, *code);
  return true;
}

std::optional<unsigned> Scanner::hex4() {
  unsigned code = 0;
  if (end_ - at_ < 4 || std::from_chars(at_, at_ + 4, code, 16).ptr != at_ + 4) return std::nullopt;
  at_ += 4;
  return code;
}

void Scanner::skip_digits() {
  while (at_ != end_ && is_digit(*at_)) ++at_;
}

std::optional<Json> Scanner::number() {
  const char* const begin = at_;
  const bool is_negative = *at_ == '-';
  if (is_negative) ++at_;
  const char* const digits = at_;
  skip_digits();
  if (at_ == digits || (*digits == '0' && at_ - digits > 1)) return std::nullopt;
  bool is_integer = true;
  if (at_ != end_ && *at_ == '.') {
    is_integer = false;
    const char* const fraction = ++at_;
    skip_digits();
    if (at_ == fraction) return std::nullopt;
  }
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    is_integer = false;
    if (++at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    const char* const exponent = at_;
    skip_digits();
    if (at_ == exponent) return std::nullopt;
  }
  if (is_integer && is_negative) {
    int64_t value = 0;
    if (std::from_chars(begin, at_, value).ec == std::errc()) return Json(value);
  } else if (is_integer) {
    uint64_t value = 0;
    if (std::from_chars(begin, at_, value).ec == std::errc()) return Json(value);
  }
  // Fractions are rare, and the library knows which of them have no double.
  Json value = Json::parse(begin, at_, nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

std::optional<Json> Scanner::literal() {
  const std::string_view rest(at_, static_cast<size_t>(end_ - at_));
  const auto is = [&](std::string_view word) {
    if (!rest.starts_with(word)) return false;
    at_ += word.size();
    return true;
  };
  if (is("true")) return Json(true);
  if (is("false")) return Json(false);
  if (is("null")) return Json(nullptr);
  return std::nullopt;
}

}  // namespace khipu::mcp::jsonrpc
