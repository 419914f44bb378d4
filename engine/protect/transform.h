// What a blind index takes of a value, and what a search asks it for: terms, before any key touches them. The same
// lower-casing as everywhere (base/fold.h). A character is a Unicode code point; a byte that is no UTF-8 is one, too.
//
//   exact      the whole value
//   prefix(n)  its first 1, 2, ... n characters
//   ngram(n)   each distinct run of n characters; a shorter value: itself, one term
//
// Terms are plaintext: they live in a Terms and nowhere else, and are wiped with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/codec/schema.h"

namespace khipu::protect {

struct IndexRule {
  codec::BlindIndex index = codec::BlindIndex::kNone;
  uint32_t size = 0;  // n of prefix and ngram
  bool operator==(const IndexRule&) const = default;
};

// How a search compares. The first one minds case, and so can only be narrowed by an index.
enum class Compare : uint8_t { kExact, kExactCi, kPrefix, kContains };

// A list of terms that lie in one folded text. Keeps its memory from value to value; wiped at the end.
class Terms {
 public:
  Terms() = default;
  Terms(Terms&&) = default;
  Terms& operator=(Terms&&) = default;
  Terms(const Terms&) = delete;
  Terms& operator=(const Terms&) = delete;
  ~Terms();

  size_t size() const { return spans_.size(); }
  std::string_view operator[](size_t index) const {
    return std::string_view(folded_).substr(spans_[index].from, spans_[index].size);
  }

 private:
  friend void terms_of_value(const IndexRule& rule, std::string_view value, Terms& to);
  friend Result<bool> terms_of_probe(const IndexRule& rule, Compare compare, std::string_view probe, Terms& to);
  void reset(std::string_view text);  // folds it and finds its characters
  void add(size_t first_character, size_t characters);
  size_t characters() const { return starts_.size() - 1; }
  void windows(size_t size);

  struct Span {
    uint32_t from = 0, size = 0;
  };
  std::string folded_;
  std::vector<uint32_t> starts_;  // of each character, and the end
  std::vector<Span> spans_;
};

// The terms to keep, without duplicates: at most one for exact, n for prefix, one per character for ngram.
void terms_of_value(const IndexRule& rule, std::string_view value, Terms& to);

// The terms to look for: a value that matches has all of them. True: what has them matches, no need to read it.
// False: they are candidates, for the plaintext to decide. kInvalid when the index cannot say anything, naming what it
// can do; the probe is not in the message.
Result<bool> terms_of_probe(const IndexRule& rule, Compare compare, std::string_view probe, Terms& to);

}  // namespace khipu::protect
