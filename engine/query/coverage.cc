#include "engine/query/coverage.h"

#include <algorithm>

namespace khipu::query {
namespace {

constexpr TimeUs kFutureUs = 10LL * 60 * 1000000;  // how far occurred_at may lie ahead of recorded_at (ingest::Limits)

}  // namespace

AsOf as_of(const snapshot::Snapshot& snapshot) {
  return {snapshot.size(TableId::kLogs), snapshot.root(TableId::kLogs), snapshot.size(TableId::kRegistry),
          snapshot.commit().number,      snapshot.commit().time,        snapshot.key_pinned()};
}

Row first_held(const snapshot::Snapshot& snapshot) {
  const auto& segments = snapshot.segments(TableId::kLogs);
  return segments.empty() ? Row{snapshot.size(TableId::kLogs)} : segments.front().first_row;
}

Result<std::optional<TimeUs>> CoverageKeeper::least_of(const snapshot::Snapshot& snapshot,
                                                       const snapshot::SegmentInfo& active) {
  const std::lock_guard lock(mutex_);
  if (active_first_ != active.first_row || active_next_ < active.first_row.value) {
    active_first_ = active.first_row;
    active_next_ = active.first_row.value;
    active_least_.reset();
  }
  const uint64_t end = active.first_row.value + active.rows;
  if (active_next_ < end) {
    const auto take = [&](const snapshot::ScannedRow& row) {
      const TimeUs time = row.frame.time_us;
      if (row.fault == codec::FrameFault::kNone && (!active_least_ || time < *active_least_)) active_least_ = time;
      return true;
    };
    KHIPU_TRY(snapshot.scan(TableId::kLogs, {active_next_}, {end}, snapshot::Order::kAscending, take));
    active_next_ = end;
  }
  return active_least_;
}

Result<Coverage> CoverageKeeper::coverage(const snapshot::Snapshot& snapshot, const Filter& filter, uint64_t size) {
  Coverage coverage;
  coverage.first_seq = first_held(snapshot);
  coverage.purged_rows = std::min(coverage.first_seq.value, size);
  const auto& segments = snapshot.segments(TableId::kLogs);
  for (const snapshot::SegmentInfo& segment : segments) {
    if (segment.rows == 0 || segment.first_row.value >= size) continue;
    std::optional<TimeUs> least = segment.time_min;
    if (!segment.sealed) {
      KHIPU_TRY_ASSIGN(least, least_of(snapshot, segment));
    }
    if (least && (!coverage.retained_from || *least < *coverage.retained_from)) coverage.retained_from = least;
  }
  if (coverage.purged_rows > 0) {
    // All that was purged was recorded before the first row still held, and occurred little later than it was recorded.
    const bool behind = !segments.empty() && segments.front().sealed && filter.from &&
                        *filter.from > segments.front().recorded_first + kFutureUs;
    coverage.purged_overlap = !behind;
  }
  coverage.complete = !coverage.purged_overlap;
  return coverage;
}

}  // namespace khipu::query
