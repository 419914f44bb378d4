// The second half of check_segment(): which row each record is. tree/0 is the guide where records are damaged, missing
// or too many; whether the guide or the record is right, the signed root decides later. Internal to this room.
#pragma once

#include "engine/verify/segment_scan.h"

namespace khipu::verify {

// Where entries of a segment went.
struct Alignment {
  std::vector<uint64_t> row_of_entry;  // kNoOffset: a record the tree does not know
  std::vector<uint64_t> entry_of_row;  // kNoOffset: no record
  struct Lost {
    uint64_t row = 0, end = 0;   // rows [row, end)
    std::optional<size_t> hole;  // behind this hole; none: the records are just not there
  };
  std::vector<Lost> lost;
  std::vector<size_t> rowless_holes;                 // damage that cost no row
  std::vector<std::pair<uint64_t, uint64_t>> extra;  // (entry, in front of row)
};
// `expected`: how many rows the segment must have at least; sealed: exactly.
Alignment align(const Scanned& scanned, const std::vector<Hash>& stored, uint64_t expected, bool sealed);

}  // namespace khipu::verify
