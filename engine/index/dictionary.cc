#include "engine/index/dictionary.h"

#include "engine/index/columns.h"
#include "engine/index/format.h"
#include "engine/index/front_coding.h"

namespace khipu::index {
namespace {

// With the two sizes of a term, the count, and rows or the size of a list.
constexpr size_t kEntrySizeMax = 2 + 255 + (2 + kInlineRowsMax) * kVarintSizeMax;

uint8_t* put_deltas(uint8_t* at, std::span<const uint32_t> rows) {
  uint32_t next = 0;
  for (const uint32_t row : rows) {
    at = put_varint(at, row - next);
    next = row + 1;
  }
  return at;
}

// Every row has the term: nothing is said. One row in eight or more: bits. Fewer: differences.
void append_list(Out& to, std::span<const uint32_t> rows, uint32_t all) {
  if (rows.size() == all) return;
  if (uint64_t{8} * rows.size() < all) {
    to.end_at(put_deltas(to.room(kVarintSizeMax * rows.size()), rows));
    return;
  }
  const size_t size = (size_t{all} + 7) / 8;
  uint8_t* const bits = to.room(size);
  std::fill_n(bits, size, uint8_t{0});
  for (const uint32_t row : rows) bits[row / 8] = static_cast<uint8_t>(bits[row / 8] | 1U << (row % 8));
  to.end_at(bits + size);
}

}  // namespace

void Dictionary::clear() {
  for (Out* const part : {&pages_, &lists_, &places_, &keys_}) part->clear();
  count_ = 0;
  before_ = {};
  page_start_ = 0;
}

void Dictionary::add(std::string_view term, std::span<const uint32_t> rows, uint32_t all) {
  if (count_ == 0 || pages_.size() - page_start_ >= kPageSize) {
    page_start_ = pages_.size();
    ++count_;
    places_.put_le(static_cast<uint32_t>(page_start_));
    places_.put_le(static_cast<uint32_t>(lists_.size()));
    places_.put_le(static_cast<uint32_t>(keys_.size()));
    keys_.put(as_bytes(term));
    before_ = {};
  }
  uint8_t* at = put_term(pages_.room(kEntrySizeMax), before_, term);
  at = put_varint(at, static_cast<uint32_t>(rows.size()));
  if (rows.size() <= kInlineRowsMax) {
    at = put_deltas(at, rows);
  } else {
    const size_t from = lists_.size();
    append_list(lists_, rows, all);
    at = put_varint(at, static_cast<uint32_t>(lists_.size() - from));
  }
  pages_.end_at(at);
  before_ = term;
}

}  // namespace khipu::index
