#include "engine/index/columns.h"

#include <algorithm>
#include <bit>

namespace khipu::index {
namespace {

constexpr unsigned kWidthMax = 56;  // that eight bytes hold from any bit on; beyond it, 64

unsigned width_of(uint64_t span) {
  const auto width = static_cast<unsigned>(std::bit_width(span));
  return width > kWidthMax ? 64 : width;
}

Error no_fit() { return {Code::kCorrupt, "a column that does not fit its section"}; }

}  // namespace

void append_column(Buffer& to, std::span<const int64_t> values) {
  if (values.empty()) return;
  const size_t heads_at = to.size();
  const size_t data_at = heads_at + column_groups(static_cast<uint32_t>(values.size())) * kGroupHeadSize;
  to.resize(data_at);
  size_t head_at = heads_at;
  for (; !values.empty(); head_at += kGroupHeadSize) {
    const auto group = values.first(std::min<size_t>(kGroupRows, values.size()));
    values = values.subspan(group.size());
    int64_t least = group[0], most = group[0];
    for (const int64_t value : group) {
      least = std::min(least, value);
      most = std::max(most, value);
    }
    const auto base = static_cast<uint64_t>(least);
    const unsigned width = width_of(static_cast<uint64_t>(most) - base);
    store_le(&to[head_at], least);
    store_le(&to[head_at + 8], static_cast<uint32_t>(to.size() - data_at));
    store_le(&to[head_at + 12], static_cast<uint32_t>(width));
    const size_t at = to.size(), size = (group.size() * width + 7) / 8;
    to.resize(at + size + kColumnSlack);  // whole words are written
    uint8_t* place = &to[at];
    uint64_t word = 0;
    unsigned filled = 0;  // bits of it
    for (const int64_t one : group) {
      const uint64_t value = static_cast<uint64_t>(one) - base;
      word |= value << filled;
      filled += width;
      if (filled < 64) continue;
      store_le(place, word);
      place += sizeof word;
      filled -= 64;
      word = filled == 0 ? 0 : value >> (width - filled);
    }
    store_le(place, word);
    to.resize(at + size);
  }
  to.resize(to.size() + kColumnSlack);
}

Result<ColumnGroup> ColumnGroup::parse(Bytes head, uint32_t group, uint32_t rows, uint64_t data_size) {
  ColumnGroup found;
  found.least = load_le<int64_t>(head.data());
  found.offset = load_le<uint32_t>(head.data() + 8);
  found.width = load_le<uint32_t>(head.data() + 12);
  found.rows = std::min(kGroupRows, rows - group * kGroupRows);
  found.size = (uint64_t{found.rows} * found.width + 7) / 8 + kColumnSlack;
  const bool possible = found.width <= kWidthMax || found.width == 64;
  if (!possible || found.offset + found.size > data_size) return no_fit();
  return found;
}

int64_t ColumnGroup::value(Bytes bits, uint32_t row) const {
  const uint64_t bit = uint64_t{row} * width;
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  return static_cast<int64_t>(static_cast<uint64_t>(least) +
                              (load_le<uint64_t>(bits.data() + bit / 8) >> (bit % 8) & mask));
}

Result<Column> Column::parse(Bytes section, uint32_t rows) {
  if (rows == 0) return section.empty() ? Result<Column>(Column({}, {}, 0)) : no_fit();
  const size_t groups = column_groups(rows);
  if (section.size() < groups * kGroupHeadSize + kColumnSlack) return no_fit();
  const Bytes data = section.subspan(groups * kGroupHeadSize);
  for (uint32_t i = 0; i < groups; ++i) {
    KHIPU_TRY(ColumnGroup::parse(section.subspan(i * kGroupHeadSize, kGroupHeadSize), i, rows, data.size()));
  }
  return Column(section.first(groups * kGroupHeadSize), data, rows);
}

int64_t Column::operator[](uint32_t row) const {
  const uint8_t* const group = groups_.data() + size_t{row / kGroupRows} * kGroupHeadSize;
  const auto base = load_le<uint64_t>(group);
  const auto width = load_le<uint32_t>(group + 12);
  const uint64_t bit = uint64_t{row % kGroupRows} * width;
  const auto bits = load_le<uint64_t>(data_.data() + load_le<uint32_t>(group + 8) + bit / 8) >> (bit % 8);
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  return static_cast<int64_t>(base + (bits & mask));
}

uint32_t Column::lower_bound(int64_t value) const {
  uint32_t from = 0, to = rows_;
  while (from < to) {
    const uint32_t middle = from + (to - from) / 2;
    if ((*this)[middle] < value) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from;
}

}  // namespace khipu::index
