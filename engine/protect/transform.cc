#include "engine/protect/transform.h"

#include <algorithm>

#include "engine/base/fold.h"
#include "engine/crypto/secret.h"

namespace khipu::protect {
namespace {

void wipe_text(std::string& text) {
  crypto::wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  text.clear();
}

// Bytes of the character at the front: of a well-formed UTF-8 sequence, else 1.
size_t character_size(std::string_view text) {
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(text[at]); };
  const uint8_t first = byte(0);
  const size_t size = first < 0xC2 || first >= 0xF5 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (size > text.size()) return 1;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 1;
  }
  return size;
}

Error cannot(const std::string& why) { return Error{Code::kInvalid, why}; }
std::string characters_text(uint32_t count) {
  return std::to_string(count) + (count == 1 ? " character" : " characters");
}

}  // namespace

Terms::~Terms() { wipe_text(folded_); }

void Terms::reset(std::string_view text) {
  wipe_text(folded_);
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  if (ascii) {
    folded_.assign(text);
    for (char& c : folded_) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
  } else {
    folded_ = fold(text);
  }
  starts_.clear();
  spans_.clear();
  for (size_t at = 0; at < folded_.size(); at += character_size(std::string_view(folded_).substr(at))) {
    starts_.push_back(static_cast<uint32_t>(at));
  }
  starts_.push_back(static_cast<uint32_t>(folded_.size()));
}

void Terms::add(size_t first_character, size_t characters) {
  const uint32_t from = starts_[first_character];
  spans_.push_back({from, starts_[first_character + characters] - from});
}

void Terms::windows(size_t size) {
  for (size_t first = 0; first + size <= characters(); ++first) add(first, size);
  const auto text = [this](const Span& span) { return std::string_view(folded_).substr(span.from, span.size); };
  std::sort(spans_.begin(), spans_.end(), [&](const Span& a, const Span& b) { return text(a) < text(b); });
  spans_.erase(
      std::unique(spans_.begin(), spans_.end(), [&](const Span& a, const Span& b) { return text(a) == text(b); }),
      spans_.end());
}

void terms_of_value(const IndexRule& rule, std::string_view value, Terms& to) {
  to.reset(value);
  const size_t characters = to.characters();
  switch (rule.index) {
    case codec::BlindIndex::kNone: return;
    case codec::BlindIndex::kExact: return to.add(0, characters);
    case codec::BlindIndex::kPrefix:
      for (size_t n = 1; n <= std::min<size_t>(rule.size, characters); ++n) to.add(0, n);
      return;
    case codec::BlindIndex::kNgram:
      KHIPU_ASSERT(rule.size > 0);
      if (characters < rule.size) return to.add(0, characters);
      return to.windows(rule.size);
  }
}

Result<bool> terms_of_probe(const IndexRule& rule, Compare compare, std::string_view probe, Terms& to) {
  to.reset(probe);
  const size_t characters = to.characters();
  switch (rule.index) {
    case codec::BlindIndex::kNone: return cannot("this field has no blind index: it cannot be searched");
    case codec::BlindIndex::kExact:
      if (compare == Compare::kPrefix || compare == Compare::kContains) {
        return cannot("this field has an exact blind index: it answers exact and exact_ci");
      }
      to.add(0, characters);
      return compare == Compare::kExactCi;
    case codec::BlindIndex::kPrefix:
      if (compare == Compare::kContains) {
        return cannot("this field has a blind index of prefixes: it answers prefix, exact and exact_ci");
      }
      if (characters == 0) return cannot("a search in a blind index of prefixes needs at least 1 character");
      to.add(0, std::min<size_t>(characters, rule.size));
      return compare == Compare::kPrefix && characters <= rule.size;
    case codec::BlindIndex::kNgram:
      KHIPU_ASSERT(rule.size > 0);
      if (characters < rule.size) {
        if (compare == Compare::kPrefix || compare == Compare::kContains) {
          return cannot("this field has a blind index of " + characters_text(rule.size) +
                        " at a time: prefix and contains need at least as many");
        }
        to.add(0, characters);
        return compare == Compare::kExactCi;
      }
      to.windows(rule.size);
      return compare == Compare::kContains && characters == rule.size;
  }
  return cannot("this field has no blind index that this program knows");
}

}  // namespace khipu::protect
