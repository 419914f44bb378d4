// What a log still holds of a window. Sealed segments tell their times; those of the active one are kept as it grows.
#pragma once

#include <mutex>

#include "engine/query/rows.h"
#include "engine/snapshot/store.h"

namespace khipu::query {

AsOf as_of(const snapshot::Snapshot& snapshot);
// Least seq the snapshot holds; its size when nothing is left.
Row first_held(const snapshot::Snapshot& snapshot);

// "PURGED": which rows are not retained, since when and by which statement. For a coverage with purged rows.
Note purged_note(const Coverage& coverage);

// Any thread.
class CoverageKeeper {
 public:
  // `tells_times`: false for a caller with a scope, as the least time may be that of an event outside it.
  explicit CoverageKeeper(bool tells_times = true) : tells_times_(tells_times) {}
  // Of rows below `size`, which is at most the snapshot's.
  Result<Coverage> coverage(const snapshot::Snapshot& snapshot, const Filter& filter, uint64_t size);

 private:
  Result<std::optional<TimeUs>> least_of(const snapshot::Snapshot& snapshot, const snapshot::SegmentInfo& active);
  const bool tells_times_;
  std::mutex mutex_;          // guards the members below
  Row active_first_;          // of the segment they are about
  uint64_t active_next_ = 0;  // rows below it are seen
  std::optional<TimeUs> active_least_;
};

}  // namespace khipu::query
