#include "engine/index/row_set.h"

#include <bit>

#include "engine/base/assert.h"

namespace khipu::index {
namespace {
// Bits [from, to) of a word, to at most 64.
uint64_t mask(uint32_t from, uint32_t to) {
  const uint64_t below = to >= 64 ? ~uint64_t{0} : (uint64_t{1} << to) - 1;
  return from >= 64 ? 0 : below & (~uint64_t{0} << from);
}
}  // namespace

void RowSet::add_range(uint32_t from, uint32_t to) {
  KHIPU_ASSERT(to <= rows_);
  for (uint32_t at = from; at < to;) {
    const uint32_t end = std::min(to, (at / 64 + 1) * 64);
    words_[at / 64] |= mask(at % 64, at % 64 + (end - at));
    at = end;
  }
}

void RowSet::keep_range(uint32_t from, uint32_t to) {
  for (size_t i = 0; i < words_.size(); ++i) {
    const uint64_t start = i * 64;
    if (start + 64 <= from || start >= to) {
      words_[i] = 0;
      continue;
    }
    const auto low = static_cast<uint32_t>(from > start ? from - start : 0);
    words_[i] &= mask(low, static_cast<uint32_t>(std::min<uint64_t>(64, to - start)));
  }
}

void RowSet::operator&=(const RowSet& other) {
  KHIPU_ASSERT(rows_ == other.rows_);
  for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
}
void RowSet::operator|=(const RowSet& other) {
  KHIPU_ASSERT(rows_ == other.rows_);
  for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}
void RowSet::operator-=(const RowSet& other) {
  KHIPU_ASSERT(rows_ == other.rows_);
  for (size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
}

uint32_t RowSet::count() const {
  uint32_t count = 0;
  for (const uint64_t word : words_) count += static_cast<uint32_t>(std::popcount(word));
  return count;
}

}  // namespace khipu::index
