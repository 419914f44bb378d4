// Spans of time to count by. Those below a day are cut on the wall clock of a time zone and are never longer than their
// name, so an hour that comes twice is two buckets; days, weeks (from Monday), months, quarters and years are the
// calendar's there, so a day may have 23 or 25 hours. Not here: windows (time_text.h), counting (tally.h).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "engine/query/answer.h"
#include "engine/query/zone.h"

namespace khipu::query {

enum class Interval : uint8_t { k5Minutes, k15Minutes, kHour, k6Hours, kDay, kWeek, kMonth, kQuarter, kYear };
// "5m" "15m" "1h" "6h" "1d" "1w" "month" "quarter" "year", and the calendar's "day" "week"; nullopt for "auto".
Answer<std::optional<Interval>> interval_of(std::string_view word);
std::string_view name(Interval interval);
// The finest interval that cuts [from, to) into about `most` buckets or fewer.
Interval interval_for(TimeUs from, TimeUs to, size_t most);

struct Bucket {
  TimeUs start = 0, end = 0;  // [start, end)
};

// Every instant is in one bucket, and buckets do not overlap. Owner: one thread.
class Buckets {
 public:
  Buckets(const Zone& zone, Interval interval) : zone_(zone), interval_(interval) {}
  // Remembers the last: neighbours in time cost nothing.
  const Bucket& of(TimeUs time);
  Interval interval() const { return interval_; }

 private:
  Bucket below_a_day(TimeUs time, int64_t step_us) const;
  Bucket by_calendar(TimeUs time) const;
  int64_t ordinal(const LocalTime& local) const;  // of the calendar bucket a local time is in
  TimeUs boundary(int64_t ordinal) const;         // the first instant of that bucket
  Zone zone_;
  Interval interval_;
  Bucket last_;
};

}  // namespace khipu::query
