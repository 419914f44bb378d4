// What one source's events say about its own completeness, while a pass goes by. In bounded memory: times are kept as
// the least and greatest of each slot that has events, and slots are joined when they become too many.
#pragma once

#include <map>
#include <unordered_map>

#include "engine/query/log_coverage.h"

namespace khipu::query {

// Owner: one thread, for one answer.
class SourceTally {
 public:
  // `day`: the first instant of the event's day. `number`: the source's own, where it counts its records.
  void add(Row seq, const codec::EventRecord& event, std::optional<uint64_t> number, TimeUs day, int64_t slot_us);
  void join_slots(int64_t slot_us);  // to slots of this width, twice the last
  size_t slots() const { return slots_.size(); }
  Row first_row() const { return first_row_; }
  TimeUs last() const { return facts_.last; }

  struct Window {
    std::optional<TimeUs> from;
    TimeUs until = 0;
    std::optional<int64_t> silent_after;
  };
  SourceCoverage finish(const Window& window);

 private:
  struct Slot {
    TimeUs least = 0, most = 0;
    uint64_t events = 0;
  };
  int64_t usual_gap() const;  // what "auto" takes for a silence
  int64_t lag_at(uint64_t rank) const;
  SourceCoverage facts_;
  Row first_row_;
  std::map<int64_t, Slot> slots_;
  std::unordered_map<int64_t, uint64_t> lags_;  // milliseconds, rounded down to what the histogram tells apart
  int64_t lag_max_us_ = INT64_MIN;
  TimeUs before_ = 0;
  std::map<TimeUs, uint64_t> days_;  // events by the first instant of their day
  std::optional<uint64_t> number_;
};

}  // namespace khipu::query
