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
  Buffer data;
  for (size_t from = 0; from < values.size(); from += kGroupRows) {
    const auto group = values.subspan(from, std::min<size_t>(kGroupRows, values.size() - from));
    const auto [least, most] = std::minmax_element(group.begin(), group.end());
    const auto base = static_cast<uint64_t>(*least);
    const unsigned width = width_of(static_cast<uint64_t>(*most) - base);
    append_le(to, *least);
    append_le(to, static_cast<uint32_t>(data.size()));
    append_le(to, static_cast<uint32_t>(width));
    const size_t at = data.size();
    data.resize(at + (group.size() * width + 7) / 8 + kColumnSlack);
    for (size_t i = 0; i < group.size(); ++i) {
      const uint64_t value = static_cast<uint64_t>(group[i]) - base;
      uint8_t* const place = &data[at + i * width / 8];
      store_le(place, load_le<uint64_t>(place) | value << (i * width % 8));
    }
    data.resize(data.size() - kColumnSlack);
  }
  append(to, data);
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
