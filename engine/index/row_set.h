// A set of rows of one segment, as bits: row r of the segment is bit r. 10 KB for the 78,000 rows of a usual segment,
// so AND, OR and NOT over whole segments cost less than a microsecond, whatever the lists were.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace khipu::index {

class RowSet {
 public:
  explicit RowSet(uint32_t rows = 0) : rows_(rows), words_((rows + 63) / 64) {}

  uint32_t rows() const { return rows_; }  // that there are, not that are in it
  bool has(uint32_t row) const { return (words_[row / 64] >> (row % 64) & 1) != 0; }
  void add(uint32_t row) { words_[row / 64] |= uint64_t{1} << (row % 64); }
  void add_range(uint32_t from, uint32_t to);  // rows [from, to)
  void keep_range(uint32_t from, uint32_t to);
  void operator&=(const RowSet& other);
  void operator|=(const RowSet& other);
  void operator-=(const RowSet& other);
  uint32_t count() const;
  // Calls visit(row) in order until it returns false; false then.
  template <typename Visit>
  bool each(bool descending, Visit visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      const size_t at = descending ? words_.size() - 1 - i : i;
      for (uint64_t word = words_[at]; word != 0;) {
        const unsigned bit = descending ? 63U - static_cast<unsigned>(__builtin_clzll(word))
                                        : static_cast<unsigned>(__builtin_ctzll(word));
        word &= ~(uint64_t{1} << bit);
        if (!visit(static_cast<uint32_t>(at * 64 + bit))) return false;
      }
    }
    return true;
  }
  std::vector<uint64_t>& words() { return words_; }
  bool operator==(const RowSet&) const = default;

 private:
  uint32_t rows_;
  std::vector<uint64_t> words_;  // bits beyond rows_ are 0
};

}  // namespace khipu::index
