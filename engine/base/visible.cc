#include "engine/base/visible.h"

#include <algorithm>

namespace khipu {

CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(text[at]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t size = first >= 0xF0 && first <= 0xF4  ? 4
                      : first >= 0xE0 && first < 0xF0 ? 3
                      : first >= 0xC2 && first < 0xE0 ? 2
                                                      : 0;
  if (size == 0 || text.size() < size) return {};
  uint32_t value = first & (0xFFU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3FU);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[size] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {};
  return {value, size};
}

bool is_visible(uint32_t c) {
  if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD) return false;
  if ((c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F)) return false;
  if (c == 0x061C || c == 0x180E || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB)) return false;
  return !(c >= 0xE0000 && c <= 0xE0FFF);  // tags and variation selectors
}

void append_json_escape(std::string& to, uint32_t code_point) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto unit = [&](uint32_t value) {
    to += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) to += kHex[value >> shift & 15U];
  };
  if (code_point < 0x10000) return unit(code_point);
  unit(0xD800 + ((code_point - 0x10000) >> 10));
  unit(0xDC00 + ((code_point - 0x10000) & 0x3FFU));
}

void append_visible_json(std::string& to, std::string_view json) {
  while (!json.empty()) {
    const auto plain = std::find_if(json.begin(), json.end(), [](char c) { return c == '\x7F' || (c & 0x80) != 0; });
    to.append(json.begin(), plain);
    json.remove_prefix(static_cast<size_t>(plain - json.begin()));
    if (json.empty()) return;
    const CodePoint c = first_code_point(json);
    if (c.size == 0) {
      to += "\xEF\xBF\xBD";
    } else if (is_visible(c.value)) {
      to += json.substr(0, c.size);
    } else {
      append_json_escape(to, c.value);
    }
    json.remove_prefix(std::max<size_t>(c.size, 1));
  }
}

}  // namespace khipu
