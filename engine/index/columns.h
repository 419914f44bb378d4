// A number a row, packed: groups of 128 rows, each as the least of them and what the others are above it, in as few
// bits as the greatest needs. Any row is read in constant time. Specified in engine/FORMAT.md "Index files", "Columns".
#pragma once

#include <span>

#include "engine/base/bytes.h"
#include "engine/base/result.h"

namespace khipu::index {

inline constexpr uint32_t kGroupRows = 128;
inline constexpr size_t kGroupHeadSize = 16;  // i64 least | u32 offset of the packed bits | u8 width | 3 zeroes
inline constexpr size_t kColumnSlack = 8;     // zeroes behind the data: a value is read as eight bytes at once

// LEB128.
inline void append_varint(Buffer& to, uint32_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<uint8_t>(value | 0x80));
  to.push_back(static_cast<uint8_t>(value));
}
// The same where there is room for five bytes; returns where it ends.
inline uint8_t* put_varint(uint8_t* to, uint32_t value) {
  for (; value >= 0x80; value >>= 7) *to++ = static_cast<uint8_t>(value | 0x80);
  *to++ = static_cast<uint8_t>(value);
  return to;
}
inline constexpr size_t kVarintSizeMax = 5;
void append_column(Buffer& to, std::span<const int64_t> values);

// One group of a section, for who wants a few rows and not every block that the column lies in.
struct ColumnGroup {
  int64_t least = 0;
  uint64_t offset = 0;  // of its bits, behind the heads of all groups
  uint64_t size = 0;    // of its bits and the slack behind them
  uint32_t width = 0, rows = 0;
  // Of a column of `rows`, from the bytes of the group's head. kCorrupt when the bits do not lie within `data_size`.
  static Result<ColumnGroup> parse(Bytes head, uint32_t group, uint32_t rows, uint64_t data_size);
  int64_t value(Bytes bits, uint32_t row) const;  // row < rows, counted within the group
};
inline uint64_t column_groups(uint32_t rows) { return (uint64_t{rows} + kGroupRows - 1) / kGroupRows; }

// Borrows the section's bytes.
class Column {
 public:
  // kCorrupt unless every group lies within the section.
  static Result<Column> parse(Bytes section, uint32_t rows);
  int64_t operator[](uint32_t row) const;  // row < rows
  // The first row whose value is not less than `value`, in a column that never falls.
  uint32_t lower_bound(int64_t value) const;

 private:
  Column(Bytes groups, Bytes data, uint32_t rows) : groups_(groups), data_(data), rows_(rows) {}
  Bytes groups_, data_;
  uint32_t rows_;
};

}  // namespace khipu::index
