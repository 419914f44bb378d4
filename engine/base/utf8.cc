#include "engine/base/utf8.h"

namespace khipu {

// By the table of well-formed sequences in RFC 3629 section 4.
bool valid_utf8(Bytes bytes) {
  const uint8_t* at = bytes.data();
  const uint8_t* end = at + bytes.size();
  const auto tail = [&](ptrdiff_t index, uint8_t low = 0x80, uint8_t high = 0xbf) {
    return end - at > index && at[index] >= low && at[index] <= high;
  };
  while (at != end) {
    // Most texts are ASCII, most others for long runs.
    for (; end - at >= 8 && (load_le<uint64_t>(at) & 0x8080808080808080ULL) == 0; at += 8) {
    }
    if (at == end) break;
    const uint8_t first = *at;
    if (first < 0x80) {
      ++at;
    } else if (first >= 0xc2 && first <= 0xdf) {
      if (!tail(1)) return false;
      at += 2;
    } else if (first >= 0xe0 && first <= 0xef) {
      if (!tail(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf) || !tail(2)) return false;
      at += 3;
    } else if (first >= 0xf0 && first <= 0xf4) {
      if (!tail(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf) || !tail(2) || !tail(3)) return false;
      at += 4;
    } else {
      return false;
    }
  }
  return true;
}

size_t whole_characters(std::string_view text, size_t size_max) {
  if (text.size() <= size_max) return text.size();
  size_t end = size_max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return end;
}

}  // namespace khipu
