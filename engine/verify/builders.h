// The indexes of segments whose rows are read anyway: built by the scan, finished and held against the files in place
// by whichever thread has nothing better to do. Internal to this room.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/index/builder.h"
#include "engine/verify/segment_check.h"

namespace khipu::verify {

// Any thread. Builders go from segment to segment with what memory they have: fresh pages for each cost as much as a
// third of building.
class Builders {
 public:
  explicit Builders(Leftovers& leftovers) : leftovers_(leftovers) {}
  // `rows`: about how many there will be.
  std::unique_ptr<index::Builder> take(TableId table, SegmentNumber number, Row first_row, size_t rows,
                                       const std::vector<uint32_t>& columns);
  // `builder` has every row of the segment. What cannot be built or read is built again when its statement is looked
  // at, which then says why. `folder` stays until then.
  void finish(os::Directory& folder, TableId table, SegmentNumber number, const IndexPlan& plan,
              std::unique_ptr<index::Builder> builder);
  // Of all that were finished.
  BuiltIndexes take_built();

 private:
  Leftovers& leftovers_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<index::Builder>> idle_;
  BuiltIndexes built_;
};

}  // namespace khipu::verify
