#include "engine/base/fold.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace khipu {
namespace {

struct Run {
  uint32_t first, last, step;
  int32_t delta;
};
constexpr Run kRuns[] = {
#include "engine/base/fold_table.inc"
};

char lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr uint64_t kEach = 0x0101010101010101;  // times a byte: that byte eight times
uint64_t eight(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}
bool is_ascii(std::string_view text) {
  uint64_t all = 0;
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) all |= eight(&text[i]);
  for (; i < text.size(); ++i) all |= static_cast<uint8_t>(text[i]);
  return (all & 0x80 * kEach) == 0;
}

uint32_t lower(uint32_t point) {
  const Run* run =
      std::lower_bound(std::begin(kRuns), std::end(kRuns), point, [](const Run& r, uint32_t p) { return r.last < p; });
  // Runs of step 2 interleave with none other, so the first run that ends at or behind the point is the only one.
  if (run == std::end(kRuns) || point < run->first || (point - run->first) % run->step != 0) return point;
  return static_cast<uint32_t>(static_cast<int64_t>(point) + run->delta);
}

// Size of the well-formed sequence at the front, 0 when there is none.
size_t sequence(std::string_view text, uint32_t& point) {
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(text[at]); };
  const uint8_t first = byte(0);
  const size_t size = first >= 0xC2 && first < 0xE0   ? 2
                      : first >= 0xE0 && first < 0xF0 ? 3
                      : first >= 0xF0 && first < 0xF5 ? 4
                                                      : 0;
  if (size == 0 || text.size() < size) return 0;
  point = first & (0xFFU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3FU);
  }
  return size;
}

void put_code_point(std::string& to, uint32_t point) {
  if (point < 0x80) {
    to += static_cast<char>(point);
  } else if (point < 0x800) {
    to += static_cast<char>(0xC0 | point >> 6);
    to += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    to += static_cast<char>(0xE0 | point >> 12);
    to += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    to += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    to += static_cast<char>(0xF0 | point >> 18);
    to += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    to += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    to += static_cast<char>(0x80 | (point & 0x3F));
  }
}

bool equal_ascii(std::string_view text, std::string_view folded) {
  return text.size() == folded.size() &&
         std::equal(text.begin(), text.end(), folded.begin(), [](char a, char b) { return lower_ascii(a) == b; });
}

// Eight places at a time: where both the first and the last byte of `folded` may stand, the whole is compared. A letter
// is met in both cases by setting the bit that they differ in. Borrows make a few places look right that are not.
bool contains_ascii(std::string_view text, std::string_view folded) {
  const size_t size = folded.size();
  if (size > text.size()) return false;
  const auto case_bit = [](char c) { return c >= 'a' && c <= 'z' ? 0x20 * kEach : uint64_t{0}; };
  const uint64_t first = kEach * static_cast<uint8_t>(folded.front()), first_case = case_bit(folded.front());
  const uint64_t last = kEach * static_cast<uint8_t>(folded.back()), last_case = case_bit(folded.back());
  const size_t places = text.size() - size + 1;
  size_t at = 0;
#ifdef __SSE2__
  const auto sixteen = [](const char* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
  const auto all = [](uint64_t of) { return _mm_set1_epi64x(static_cast<int64_t>(of)); };
  for (; at + 16 <= places; at += 16) {
    const __m128i begins = _mm_cmpeq_epi8(_mm_or_si128(sixteen(&text[at]), all(first_case)), all(first));
    const __m128i ends = _mm_cmpeq_epi8(_mm_or_si128(sixteen(&text[at + size - 1]), all(last_case)), all(last));
    auto both = static_cast<uint32_t>(_mm_movemask_epi8(_mm_and_si128(begins, ends)));
    for (; both != 0; both &= both - 1) {
      if (equal_ascii(text.substr(at + static_cast<size_t>(__builtin_ctz(both)), size), folded)) return true;
    }
  }
#endif
  for (; at + 8 <= places; at += 8) {
    const uint64_t differs =
        ((eight(&text[at]) | first_case) ^ first) | ((eight(&text[at + size - 1]) | last_case) ^ last);
    if (((differs - kEach) & ~differs & 0x80 * kEach) == 0) continue;
    for (size_t i = at; i < at + 8; ++i) {
      if (equal_ascii(text.substr(i, size), folded)) return true;
    }
  }
  for (; at < places; ++at) {
    if (equal_ascii(text.substr(at, size), folded)) return true;
  }
  return false;
}

}  // namespace

std::string fold(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    uint32_t point = 0;
    size_t size = 1;
    if (static_cast<signed char>(text[0]) >= 0) {
      out += lower_ascii(text[0]);
    } else if ((size = sequence(text, point)) == 0) {
      size = 1;
      out += text[0];
    } else if (const uint32_t lowered = lower(point); lowered != point) {
      put_code_point(out, lowered);
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return out;
}

bool contains_folded(std::string_view text, std::string_view folded) {
  if (folded.empty()) return true;
  if (!is_ascii(text)) return fold(text).find(folded) != std::string::npos;
  return contains_ascii(text, folded);
}

// Of letters that are not ASCII two are lowered to one that is: U+0130 to i, U+212A to k.
bool may_contain_folded(Bytes bytes, std::string_view folded) {
  if (folded.empty() || !is_ascii(folded) || contains_ascii(as_text(bytes), folded)) return true;
  const auto has = [&](int byte) { return std::memchr(bytes.data(), byte, bytes.size()) != nullptr; };
  return !bytes.empty() && ((folded.find('i') != std::string_view::npos && has(0xC4)) ||
                            (folded.find('k') != std::string_view::npos && has(0xE2)));
}

bool starts_folded(std::string_view text, std::string_view folded) {
  if (!is_ascii(text)) return fold(text).starts_with(folded);
  return text.size() >= folded.size() && equal_ascii(text.substr(0, folded.size()), folded);
}

bool equals_folded(std::string_view text, std::string_view folded) {
  return is_ascii(text) ? equal_ascii(text, folded) : fold(text) == folded;
}

}  // namespace khipu
