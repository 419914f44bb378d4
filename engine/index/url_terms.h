// The rows of the terms that urls begin with, while an index is built. Nearly every row has another one, so nothing is
// looked up: each row's is noted, and equal ones come together when all are sorted. Internal to this room.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/index/format.h"
#include "engine/os/pages.h"

namespace khipu::index {

// Owner: one thread.
class UrlTerms {
 public:
  // Empty again; what was allocated stays.
  void clear() { noted_.clear(); }
  void expect(size_t rows) {
    os::reserve_large(noted_, rows);
    os::reserve_large(order_, rows);
    os::reserve_large(scratch_, rows);
  }
  size_t size() const { return noted_.size(); }

  // word_term(Field::kUrl, url). Rows come ascending.
  void add(std::string_view url, uint32_t row);

  // Calls visit(make, rows) for all terms in the order of their bytes: make() returns the term. Both are valid during
  // the call.
  template <typename Visit>
  void each(const Visit& visit) {
    sort();
    for (size_t i = 0; i < order_.size();) {
      const Noted& first = noted_of(i);
      size_t count = 0;
      const Noted* one = &first;
      do {
        rows_[count++] = one->row;
      } while (++i < order_.size() && (one = &noted_of(i))->same_term(first));
      visit([&] { return first.term(); }, std::span<const uint32_t>(rows_).first(count));
    }
  }

 private:
  static constexpr size_t kWords = kUrlKeySizeMax / sizeof(uint64_t);
  static_assert(kUrlKeySizeMax % sizeof(uint64_t) == 0);
  // A row and its term without the field: as big-endian words with zeroes behind its end. They are in the order of the
  // terms' bytes, and of terms with the same words the shorter one comes first.
  struct Noted {
    std::array<uint64_t, kWords> words;
    uint32_t size;
    uint32_t row;
    bool same_term(const Noted& other) const {
      uint64_t differ = size ^ other.size;
      for (size_t i = 0; i < kWords; ++i) differ |= words[i] ^ other.words[i];
      return differ == 0;
    }
    // word_term(Field::kUrl, url), as far as its bytes go.
    Term term() const {
      Term term;
      term.bytes[0] = static_cast<uint8_t>(Field::kUrl);
      for (size_t i = 0; i < kWords; ++i) store_be(&term.bytes[1 + i * sizeof words[i]], words[i]);
      term.size = static_cast<uint8_t>(1 + size);
      return term;
    }
  };
  struct Place {
    uint64_t key = 0;  // what is sorted by
    size_t at = 0;     // in noted_
  };
  void sort();
  // The i-th in order, and later ones on their way: they lie all over noted_.
  [[gnu::always_inline]] const Noted& noted_of(size_t i) const {
    constexpr size_t kAhead = 16;
    if (i + kAhead < order_.size()) __builtin_prefetch(&noted_[order_[i + kAhead].at]);
    return noted_[order_[i].at];
  }

  std::vector<Noted> noted_;  // in the order they came
  std::vector<Place> order_, scratch_;
  std::vector<uint32_t> rows_;  // of one term
};

}  // namespace khipu::index
