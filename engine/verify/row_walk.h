// Single rows of a table, found by hopping from frame header to frame header: for looks at a few rows of a segment
// whose others are not read. Internal to this room.
#pragma once

#include <functional>

#include "engine/verify/files.h"

namespace khipu::verify {

struct WalkedRow {
  Row row;
  SegmentNumber segment;
  uint64_t offset = 0;
  std::optional<codec::Frame> frame;  // nullopt: no whole frame of this table's kind stands there
};
// Where the frame of a row of this segment begins, from something that the caller has checked; nullopt: not known. What
// stands there is parsed and checked as if it had been hopped to.
using PlaceOf = std::function<std::optional<uint64_t>(SegmentNumber segment, uint64_t row)>;
// Visits `rows` (ascending, each once) in order, but for those let go. A row in no segment of the plan, and every row
// behind a place where the frames cannot be followed, is visited without a frame.
Result<void> walk_rows(const TablePlan& plan, const std::vector<uint64_t>& rows, Control& control,
                       const PlaceOf& place_of, const std::function<void(const WalkedRow&)>& visit);

}  // namespace khipu::verify
