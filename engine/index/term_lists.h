// The rows of each term while an index is built: no allocation a term, one look-up an entry, and the lists made at the
// end in two passes over what was noted in the order it came. Internal to this room.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/result.h"

namespace khipu::index {

// Owner: one thread. What it holds does not depend on the hash, whose seed is random: nobody can aim at one slot.
class TermLists {
 public:
  TermLists();
  // Rows come ascending from 0, none without a term; the same term of a row again changes nothing.
  void add(Bytes term, uint32_t row) { put(find_or_add(term), row); }
  // The same for a term that is `term` whenever `field` and `key` are these: most terms are, and cost less this way.
  void add_number(uint8_t field, uint64_t key, Bytes term, uint32_t row);
  void add_code(uint8_t field, uint8_t code, Bytes term, uint32_t row);

  uint32_t count() const { return static_cast<uint32_t>(terms_.size()); }
  // kLimit beyond what the numbers below can count.
  Result<void> check_bounds() const;

  // The lists of all terms, in the order of the terms' bytes.
  class Ordered {
   public:
    explicit Ordered(const TermLists& lists);
    size_t size() const { return order_.size(); }
    std::string_view term(size_t i) const { return lists_.term(order_[i]); }
    std::span<const uint32_t> rows(size_t i) const {
      return std::span(rows_).subspan(starts_[i], starts_[i + 1] - starts_[i]);
    }

   private:
    const TermLists& lists_;
    std::vector<uint32_t> order_, starts_, rows_;
  };

 private:
  static constexpr uint32_t kFirstOfRow = 1U << 31;
  static constexpr size_t kNumberFields = 4, kCodeFields = 8;
  struct Place {
    uint32_t hash = 0, number = 0;  // number of a term plus one, 0: free
  };
  struct Span {
    uint32_t from = 0, size = 0;  // in keys_
  };
  struct Numbers {  // terms of one field by their number
    struct Slot {
      uint64_t key = 0;
      uint32_t number = 0;  // plus one
    };
    std::vector<Slot> slots;
    size_t used = 0;
  };
  std::string_view term(uint32_t number) const {
    return as_text(Bytes(keys_).subspan(terms_[number].from, terms_[number].size));
  }
  uint32_t find_or_add(Bytes term);
  uint32_t make(Bytes term);
  void put(uint32_t number, uint32_t row) {
    entries_.push_back(row == rows_ ? number : number | kFirstOfRow);
    rows_ = row;
  }
  void grow();
  void grow(Numbers& numbers) const;
  uint64_t hash_of(uint64_t key) const;

  const uint64_t seed_;
  std::vector<Place> table_;  // never more than half full, as the slots of numbers_
  size_t used_ = 0;
  std::array<Numbers, kNumberFields> numbers_;
  std::array<std::array<uint32_t, 256>, kCodeFields> codes_{};  // number plus one
  std::vector<Span> terms_;
  std::vector<uint32_t> entries_;  // numbers of terms; the first one of each row is marked
  uint32_t rows_ = UINT32_MAX;     // the newest entry's row
  Buffer keys_;
};

}  // namespace khipu::index
