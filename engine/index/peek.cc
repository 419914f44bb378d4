#include "engine/index/peek.h"

#include <algorithm>

#include "engine/index/columns.h"
#include "engine/index/format.h"

namespace khipu::index {
// One group of the column, as a column of its own.
Result<uint64_t> peek_offset(const os::File& file, uint64_t row) {
  KHIPU_TRY_ASSIGN(const uint64_t size, file.size());
  const std::optional<uint64_t> body = body_size(size);
  if (!body) return Error{Code::kCorrupt, "no index has that size"};
  std::array<uint8_t, kHeaderSize> bytes{};
  KHIPU_TRY(file.read_exactly(0, bytes));
  KHIPU_TRY_ASSIGN(const Header header, parse_header(bytes, *body));
  if (row >= header.rows) return Error{Code::kCorrupt, "an index without that row"};
  const uint64_t group = row / kGroupRows, groups = (header.rows + kGroupRows - 1) / kGroupRows;
  const auto rows = static_cast<uint32_t>(std::min<uint64_t>(kGroupRows, header.rows - group * kGroupRows));
  Buffer column(kGroupHeadSize);
  KHIPU_TRY(file.read_exactly(header.sections[kOffsets] + kGroupHeadSize * group, column));
  const uint64_t at = header.sections[kOffsets] + kGroupHeadSize * groups + load_le<uint32_t>(&column[8]);
  const uint64_t width = load_le<uint32_t>(&column[12]);
  if (width > 64) return Error{Code::kCorrupt, "a column of an impossible width"};
  store_le<uint32_t>(&column[8], 0);
  column.resize(kGroupHeadSize + (rows * width + 7) / 8 + kColumnSlack);
  KHIPU_TRY(
      file.read_exactly(at, std::span(column).subspan(kGroupHeadSize, column.size() - kGroupHeadSize - kColumnSlack)));
  KHIPU_TRY_ASSIGN(const Column offsets, Column::parse(column, rows));
  return static_cast<uint64_t>(offsets[static_cast<uint32_t>(row % kGroupRows)]);
}

}  // namespace khipu::index
