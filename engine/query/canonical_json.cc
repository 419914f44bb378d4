#include "engine/query/canonical_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace khipu::query {
namespace {

constexpr int kDepthMax = 64;
constexpr size_t kExactDigitsMax = 15;               // of decimals that a double tells apart
constexpr double kExactDouble = 9007199254740992.0;  // 2^53

void put_utf8(std::string& to, uint32_t point) {
  const auto put = [&](uint32_t byte) { to += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xE0 | point >> 12);
    } else {
      put(0xF0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3F));
    }
    put(0x80 | (point >> 6 & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

// Reads one value and writes it; false where the text is none.
class Canonical {
 public:
  explicit Canonical(std::string_view text) : rest_(text) {}

  bool value(std::string& to, int depth) {
    space();
    if (rest_.empty() || depth > kDepthMax) return false;
    switch (rest_.front()) {
      case '{': return object(to, depth);
      case '[': return array(to, depth);
      case '"': return string(to);
      case 't': return word("true", to);
      case 'f': return word("false", to);
      case 'n': return word("null", to);
      default: return number(to);
    }
  }
  bool at_end() {
    space();
    return rest_.empty();
  }

 private:
  void space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }
  bool take(char c) {
    space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view word, std::string& to) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    to += word;
    return true;
  }

  bool object(std::string& to, int depth) {
    std::vector<std::pair<std::string, std::string>> members;
    (void)take('{');
    if (!take('}')) {
      do {
        auto& [name, member] = members.emplace_back();
        space();
        if (!string(name) || !take(':') || !value(member, depth + 1)) return false;
      } while (take(','));
      if (!take('}')) return false;
    }
    std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string_view before = "{";
    for (const auto& [name, member] : members) {
      (to += before) += name + ':' + member;
      before = ",";
    }
    to += members.empty() ? "{}" : "}";
    return true;
  }

  bool array(std::string& to, int depth) {
    (void)take('[');
    to += '[';
    if (!take(']')) {
      for (;;) {
        if (!value(to, depth + 1)) return false;
        if (!take(',')) break;
        to += ',';
      }
      if (!take(']')) return false;
    }
    to += ']';
    return true;
  }

  std::optional<uint32_t> hex4() {
    uint32_t unit = 0;
    if (rest_.size() < 4) return std::nullopt;
    const auto read = std::from_chars(rest_.data(), rest_.data() + 4, unit, 16);
    if (read.ec != std::errc() || read.ptr != rest_.data() + 4) return std::nullopt;
    rest_.remove_prefix(4);
    return unit;
  }

  // Characters as they are, but for the two that a string must escape, and for halves of a pair.
  void put_character(std::string& to, uint32_t point) {
    if (point >= 0xD800 && point < 0xE000) {
      char digits[8];
      const auto end = std::to_chars(digits, digits + sizeof digits, point, 16).ptr;
      to += "\\u" + std::string(digits, end);
      return;
    }
    if (point == '"' || point == '\\') to += '\\';
    put_utf8(to, point);
  }

  bool escape(std::string& to) {
    constexpr std::string_view kLetters = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    if (rest_.empty()) return false;
    const char letter = rest_.front();
    rest_.remove_prefix(1);
    if (const size_t at = kLetters.find(letter); at != std::string_view::npos) {
      put_character(to, static_cast<uint8_t>(kMeant[at]));
      return true;
    }
    if (letter != 'u') return false;
    const auto unit = hex4();
    if (!unit) return false;
    if (*unit >= 0xD800 && *unit < 0xDC00 && rest_.starts_with("\\u")) {
      const std::string_view before = rest_;
      rest_.remove_prefix(2);
      const auto low = hex4();
      if (low && *low >= 0xDC00 && *low < 0xE000) {
        put_character(to, 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
        return true;
      }
      rest_ = before;
    }
    put_character(to, *unit);
    return true;
  }

  bool string(std::string& to) {
    if (!rest_.starts_with('"')) return false;
    rest_.remove_prefix(1);
    to += '"';
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') {
        to += '"';
        return true;
      }
      if (c != '\\') {
        to += c;
      } else if (!escape(to)) {
        return false;
      }
    }
    return false;
  }

  bool number(std::string& to) {
    const size_t size = std::min(rest_.find_first_not_of("+-.0123456789eE"), rest_.size());
    const std::string_view text = rest_.substr(0, size);
    double real = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), real);
    const bool in_range = read.ec == std::errc();
    if ((!in_range && read.ec != std::errc::result_out_of_range) || read.ptr != text.data() + text.size()) return false;
    rest_.remove_prefix(size);
    const bool integer = text.find_first_of(".eE") == std::string_view::npos;
    const std::string_view digits = text.substr(0, text.find_first_of("eE"));
    const auto count =
        static_cast<size_t>(std::count_if(digits.begin(), digits.end(), [](char c) { return c >= '0'; }));
    if (in_range && std::trunc(real) == real && std::abs(real) < kExactDouble &&
        (integer || count <= kExactDigitsMax)) {
      to += std::to_string(static_cast<int64_t>(real));
    } else if (integer || !in_range || count > kExactDigitsMax) {
      to += text;
    } else {
      char shortest[40];
      to.append(shortest, std::to_chars(shortest, shortest + sizeof shortest, real).ptr);
    }
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::string canonical_json(std::string_view text) {
  Canonical json(text);
  std::string to;
  return json.value(to, 0) && json.at_end() ? to : std::string(text);
}

}  // namespace khipu::query
