#include "mcp/tools/unicode.h"

#include <algorithm>
#include <iterator>

namespace khipu::mcp::tools {
namespace {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

// clang-format off
#include "mcp/tools/unicode_tables.inc"
// clang-format on

constexpr size_t kMarkRunMax = 4;

template <size_t N>
bool is_within(const CodePointRange (&ranges)[N], char32_t point) {
  const auto* range = std::lower_bound(std::begin(ranges), std::end(ranges), point,
                                       [](const CodePointRange& entry, char32_t value) { return entry.last < value; });
  return range != std::end(ranges) && range->first <= point;
}

bool is_selector(char32_t point) {
  return (point >= 0xFE00 && point <= 0xFE0F) || (point >= 0xE0100 && point <= 0xE01EF);
}

// What U+FE0E and U+FE0F choose a look for. A superset of emoji-variation-sequences.txt, without the digits.
constexpr CodePointRange kPictographs[] = {{0xA9, 0xA9},      {0xAE, 0xAE},     {0x203C, 0x203C}, {0x2049, 0x2049},
                                           {0x2122, 0x2122},  {0x2139, 0x2139}, {0x2190, 0x27E5}, {0x27F0, 0x2BFF},
                                           {0x3030, 0x3030},  {0x303D, 0x303D}, {0x3297, 0x3297}, {0x3299, 0x3299},
                                           {0x1F000, 0x1FAFF}};
constexpr CodePointRange kIdeographs[] = {{0x3400, 0x9FFF}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF}};

constexpr CodePointRange kBidi[] = {{0x61C, 0x61C}, {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2066, 0x2069}};

}  // namespace

bool is_hidden(char32_t point) { return is_within(kHidden, point); }
bool is_combining_mark(char32_t point) { return point >= 0x300 && is_within(kMarks, point); }
bool is_bidi_control(char32_t point) { return is_within(kBidi, point); }

Unit decode(std::string_view text) {
  const auto byte_at = [&](size_t index) -> char32_t { return static_cast<unsigned char>(text[index]); };
  const char32_t lead = byte_at(0);
  if (lead < 0x80) return {lead, 1, Unit::Verdict::kVisible};
  const Unit invalid{lead, 1, Unit::Verdict::kInvalid};
  const uint8_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return invalid;
  char32_t point = lead & (0xFFU >> (size + 1));
  for (size_t index = 1; index < size; ++index) {
    if ((byte_at(index) & 0xC0) != 0x80) return invalid;
    point = (point << 6) | (byte_at(index) & 0x3F);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (point < kLeast[size] || point > 0x10FFFF || is_surrogate) return invalid;
  return {point, size, Unit::Verdict::kVisible};
}

void append_utf8(std::string& text, char32_t point) {
  const auto add = [&](char32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (point < 0x80) {
    add(point);
  } else if (point < 0x800) {
    add(0xC0 | (point >> 6));
    add(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    add(0xE0 | (point >> 12));
    add(0x80 | ((point >> 6) & 0x3F));
    add(0x80 | (point & 0x3F));
  } else {
    add(0xF0 | (point >> 18));
    add(0x80 | ((point >> 12) & 0x3F));
    add(0x80 | ((point >> 6) & 0x3F));
    add(0x80 | (point & 0x3F));
  }
}

bool Scan::next(Unit& unit) {
  if (offset_ == text_.size()) return false;
  unit = decode(text_.substr(offset_));
  if (unit.verdict == Unit::Verdict::kVisible && unit.point >= 0x7F) {
    bool is_shown = !is_hidden(unit.point) && unit.point != kMarkOpen && unit.point != kMarkClose;
    if (is_selector(unit.point)) {
      is_shown = is_shown_selector(unit);
    } else if (is_combining_mark(unit.point)) {
      if (marks_left_ == 0) {
        // A run is judged as one, at its start: accents pass, a tower of them does not, and none without a letter.
        marks_left_ = mark_run_length();
        marks_shown_ = marks_left_ <= kMarkRunMax && previous_.verdict == Unit::Verdict::kVisible;
      }
      --marks_left_;
      is_shown = is_shown && marks_shown_;
    }
    if (!is_shown) unit.verdict = Unit::Verdict::kHidden;
  } else if (unit.verdict == Unit::Verdict::kVisible && unit.point < 0x20) {
    unit.verdict = Unit::Verdict::kHidden;
  }
  offset_ += unit.size_bytes;
  previous_ = unit;
  return true;
}

size_t Scan::mark_run_length() const {
  size_t length = 0;
  for (size_t at = offset_; at < text_.size();) {
    const Unit unit = decode(text_.substr(at));
    if (unit.verdict != Unit::Verdict::kVisible || !is_combining_mark(unit.point) || is_selector(unit.point)) break;
    ++length;
    at += unit.size_bytes;
  }
  return length;
}

// A selector says how the character before it looks. Strings of them, or one behind a plain letter, carry hidden bytes.
bool Scan::is_shown_selector(const Unit& selector) const {
  if (previous_.verdict != Unit::Verdict::kVisible) return false;
  if (selector.point == 0xFE0E || selector.point == 0xFE0F) return is_within(kPictographs, previous_.point);
  return selector.point >= 0xE0100 && is_within(kIdeographs, previous_.point);
}

Script script_of(char32_t point) {
  const auto within = [&](char32_t first, char32_t last) { return point >= first && point <= last; };
  if (within('A', 'Z') || within('a', 'z')) return Script::kLatin;
  if (point < 0xC0) return Script::kOther;
  if (within(0xC0, 0x24F)) return point == 0xD7 || point == 0xF7 ? Script::kOther : Script::kLatin;
  if (within(0x250, 0x2AF) || within(0x1E00, 0x1EFF)) return Script::kLatin;
  if (within(0x370, 0x3FF) || within(0x1F00, 0x1FFF)) return Script::kGreek;
  if (within(0x400, 0x52F) || within(0x1C80, 0x1C8F) || within(0x2DE0, 0x2DFF)) return Script::kCyrillic;
  if (within(0x531, 0x587)) return Script::kArmenian;
  if (within(0x13A0, 0x13FF) || within(0xAB70, 0xABBF)) return Script::kCherokee;
  if (within(0xFF21, 0xFF3A) || within(0xFF41, 0xFF5A) || within(0x1D400, 0x1D7CB)) return Script::kStyledLatin;
  return Script::kOther;
}

}  // namespace khipu::mcp::tools
