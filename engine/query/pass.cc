#include "engine/query/pass.h"

#include <algorithm>

namespace khipu::query {
namespace {

constexpr uint64_t kRowsBetweenLooks = 1024;  // at the stop token

}  // namespace

Answer<void> check_filter(const Filter& filter) {
  if (filter.log == Log::kAccess) {
    return QueryError("UNKNOWN_VALUE", "log", "access", "This is asked of the events alone.");
  }
  if (filter.from && filter.to && *filter.from >= *filter.to) {
    return QueryError("TIME_UNPARSEABLE", "to", "", "The window is empty: `to` must lie behind `from`.");
  }
  return {};
}

Result<bool> Pass::run_segment(const snapshot::SegmentInfo& segment, const Visit& visit) {
  const Row first{std::max(from.value, segment.first_row.value)};
  const Row last{std::min(to.value, segment.first_row.value + segment.rows)};
  if (first >= last || !matcher_.may_hold(segment) || (wanted && !wanted(segment))) return true;
  bool going_on = true;
  bool stopped = false;
  const auto unreadable = [&](const snapshot::ScannedRow& row, uint64_t rows) {
    damage = true;
    findings_.add({row.segment_missing ? "segment-missing" : "frame-corrupt", TableId::kLogs, row.row, rows,
                   "logs row " + std::to_string(row.row.value) + ", segment " + std::to_string(segment.number.value)});
    return true;
  };
  const auto take = [&](const snapshot::ScannedRow& row) {
    if (++scanned % kRowsBetweenLooks == 0 && stop_.stop_requested()) {
      stopped = true;
      return false;
    }
    if (row.fault != codec::FrameFault::kNone) return unreadable(row, row.lost);
    if (!matcher_.in_window(row.frame.time_us)) return true;
    if (!codec::decode_event(row.frame.payload, event_).ok()) return unreadable(row, 1);
    if (matcher_.matches(event_)) going_on = visit(row.row, event_);
    return going_on;
  };
  const auto order = descending_ ? snapshot::Order::kDescending : snapshot::Order::kAscending;
  KHIPU_TRY(snapshot_.scan(TableId::kLogs, first, last, order, take));
  if (stopped) return Error{Code::kCancelled, "query"};
  return going_on;
}

Result<void> Pass::run(const Visit& visit) {
  if (matcher_.never()) return {};
  const std::vector<snapshot::SegmentInfo>& segments = snapshot_.segments(TableId::kLogs);
  for (size_t i = 0; i < segments.size(); ++i) {
    if (stop_.stop_requested()) return Error{Code::kCancelled, "query"};
    KHIPU_TRY_ASSIGN(const bool going_on, run_segment(segments[descending_ ? segments.size() - 1 - i : i], visit));
    if (!going_on) break;
  }
  return {};
}

}  // namespace khipu::query
