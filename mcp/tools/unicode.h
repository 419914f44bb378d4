// Text from outside as code points, each with the verdict whether it may be shown as it is. Behind render.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace khipu::mcp::tools {

inline constexpr char32_t kMarkOpen = 0x27E6;  // the brackets around untrusted text: never shown out of data
inline constexpr char32_t kMarkClose = 0x27E7;

// One code point, or one byte that is not part of valid UTF-8.
struct Unit {
  enum class Verdict {
    kVisible,
    kHidden,   // a control, a format character, unassigned, a misplaced selector, too many marks, one of our brackets
    kInvalid,  // not UTF-8: `point` is the byte
  };
  char32_t point = 0;
  uint8_t size_bytes = 0;
  Verdict verdict = Verdict::kVisible;
};

// Walks over text front to back. Borrows it.
class Scan {
 public:
  explicit Scan(std::string_view text) : text_(text) {}
  bool next(Unit& unit);  // false at the end
  size_t offset() const { return offset_; }

 private:
  bool is_shown_selector(const Unit& selector) const;
  size_t mark_run_length() const;

  std::string_view text_;
  size_t offset_ = 0;
  Unit previous_{0, 0, Unit::Verdict::kHidden};  // the start counts as hidden: nothing to combine with
  size_t marks_left_ = 0;                        // of a run already judged
  bool marks_shown_ = false;
};

// Strict UTF-8 (no overlong forms, no surrogates). `text` is not empty.
Unit decode(std::string_view text);
void append_utf8(std::string& text, char32_t point);

bool is_hidden(char32_t point);
bool is_combining_mark(char32_t point);
bool is_bidi_control(char32_t point);

// Scripts whose letters look alike.
enum class Script { kOther, kLatin, kStyledLatin, kGreek, kCyrillic, kArmenian, kCherokee };
Script script_of(char32_t point);

}  // namespace khipu::mcp::tools
