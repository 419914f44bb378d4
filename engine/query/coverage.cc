#include "engine/query/coverage.h"

#include <algorithm>

#include "engine/base/time.h"

namespace khipu::query {
namespace {

constexpr TimeUs kFutureUs = 10LL * 60 * 1000000;  // how far occurred_at may lie ahead of recorded_at (ingest::Limits)

}  // namespace

AsOf as_of(const snapshot::Snapshot& snapshot) {
  return {snapshot.size(TableId::kLogs), snapshot.root(TableId::kLogs), snapshot.size(TableId::kRegistry),
          snapshot.commit().number,      snapshot.commit().time,        snapshot.key_pinned()};
}

Row first_held(const snapshot::Snapshot& snapshot) { return snapshot.meta().retained(TableId::kLogs); }

Note purged_note(const Coverage& coverage) {
  Note note;
  note.code = "PURGED";
  note.text = "Rows 0 to " + std::to_string(coverage.purged_rows - 1) + " are not retained since " +
              format_rfc3339(coverage.purged_at.value_or(0)) + " (RETENTION, meta row " +
              std::to_string(coverage.purged_by.value) + "); their leaf hashes are still committed.";
  return note;
}

namespace {

// May a purged row lie in the filter's window? All that was purged was recorded up to `last.recorded_last`, and an
// event occurs little later than it is recorded; how much earlier, nobody knows.
bool may_overlap(const std::vector<snapshot::Purge>& purges, const Filter& filter) {
  if (filter.axis == Axis::kRecorded) {
    return (!filter.from || *filter.from <= purges.back().recorded_last) &&
           (!filter.to || *filter.to > purges.front().recorded_first);
  }
  return !filter.from || *filter.from <= purges.back().recorded_last + kFutureUs;
}

}  // namespace

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
    // A run knows its least time; what cannot be asked of one is asked of the records.
    const auto parts = snapshot.runs(TableId::kLogs, active);
    for (size_t i = 0; parts.ok() && i < parts->size(); ++i) {
      const snapshot::Part& part = (*parts)[i];
      if (!part.index || part.first_row.value != active_next_ || part.rows == 0) continue;
      active_least_ = std::min(active_least_.value_or(INT64_MAX), part.index->header().time_min);
      active_next_ = part.first_row.value + part.rows;
    }
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
    if (!tells_times_ || segment.rows == 0 || segment.first_row.value >= size) continue;
    std::optional<TimeUs> least = segment.time_min;
    if (!segment.sealed) {
      KHIPU_TRY_ASSIGN(least, least_of(snapshot, segment));
    }
    if (least && (!coverage.retained_from || *least < *coverage.retained_from)) coverage.retained_from = least;
  }
  const auto& purges = snapshot.meta().purges(TableId::kLogs);
  if (coverage.purged_rows > 0) {
    coverage.purged_at = purges.back().at;
    coverage.purged_by = purges.back().meta_row;
    coverage.purged_overlap = may_overlap(purges, filter);
  }
  coverage.complete = !coverage.purged_overlap;
  return coverage;
}

}  // namespace khipu::query
