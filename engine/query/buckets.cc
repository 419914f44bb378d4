#include "engine/query/buckets.h"

#include <algorithm>
#include <iterator>

#include "engine/base/time.h"
#include "engine/query/near.h"

namespace khipu::query {
namespace {

constexpr int64_t kMinuteUs = 60 * kMicrosPerSecond;
constexpr int64_t kHourUs = 60 * kMinuteUs;

struct Known {
  Interval interval;
  std::string_view name;
  int64_t about_us;
};
constexpr Known kKnown[] = {{Interval::k5Minutes, "5m", 5 * kMinuteUs},
                            {Interval::k15Minutes, "15m", 15 * kMinuteUs},
                            {Interval::kHour, "1h", kHourUs},
                            {Interval::k6Hours, "6h", 6 * kHourUs},
                            {Interval::kDay, "1d", 24 * kHourUs},
                            {Interval::kWeek, "1w", 7 * 24 * kHourUs},
                            {Interval::kMonth, "month", 30 * 24 * kHourUs},
                            {Interval::kQuarter, "quarter", 91 * 24 * kHourUs},
                            {Interval::kYear, "year", int64_t{365} * 24 * kHourUs}};

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

}  // namespace

Answer<std::optional<Interval>> interval_of(std::string_view word) {
  if (word.empty() || word == "auto") return std::optional<Interval>();
  if (word == "day") return std::optional(Interval::kDay);
  if (word == "week") return std::optional(Interval::kWeek);
  QueryError error("UNKNOWN_VALUE", "interval", word, "Not an interval: use one of those listed, or auto.");
  error.allowed = {"auto", "day", "week"};
  for (const Known& known : kKnown) {
    if (known.name == word) return std::optional(known.interval);
    error.allowed.emplace_back(known.name);
  }
  error.did_you_mean = nearest(word, error.allowed);
  return error;
}

std::string_view name(Interval interval) { return kKnown[static_cast<size_t>(interval)].name; }

Interval interval_for(TimeUs from, TimeUs to, size_t most) {
  const auto found = std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& known) {
    return (to - from) / known.about_us <= static_cast<int64_t>(most);
  });
  return found == std::end(kKnown) ? Interval::kYear : found->interval;
}

const Bucket& Buckets::of(TimeUs time) {
  if (time >= last_.start && time < last_.end) return last_;
  last_ = interval_ < Interval::k6Hours ? below_a_day(time, kKnown[static_cast<size_t>(interval_)].about_us)
                                        : by_calendar(time);
  return last_;
}

Bucket Buckets::below_a_day(TimeUs time, int64_t step_us) const {
  const Zone::Offset offset = zone_.offset(time);
  const int64_t local_start = floor_div(time + offset.ahead_us, step_us) * step_us;
  const TimeUs start = local_start - offset.ahead_us;
  // Where the clock was changed a bucket ends, though the change may be no whole step.
  return {std::max(start, offset.from), std::min(start + step_us, offset.to)};
}

int64_t Buckets::ordinal(const LocalTime& local) const {
  const int64_t days = days_from_civil(local.date);
  const int64_t months = local.date.year * 12 + static_cast<int64_t>(local.date.month) - 1;
  switch (interval_) {
    case Interval::k6Hours: return days * 4 + local.time_of_day_us / (6 * kHourUs);
    case Interval::kDay: return days;
    case Interval::kWeek: return floor_div(days + 3, 7);  // 1970-01-01 was a Thursday
    case Interval::kMonth: return months;
    case Interval::kQuarter: return floor_div(months, 3);
    default: return local.date.year;
  }
}

TimeUs Buckets::boundary(int64_t ordinal) const {
  const auto of_month = [this](int64_t months) {
    const int64_t year = floor_div(months, 12);
    return zone_.start_of_day({year, static_cast<unsigned>(months - year * 12) + 1, 1});
  };
  switch (interval_) {
    case Interval::k6Hours: {
      const int64_t day = floor_div(ordinal, 4);
      return zone_.first_instant({civil_from_days(day), (ordinal - day * 4) * 6 * kHourUs});
    }
    case Interval::kDay: return zone_.start_of_day(civil_from_days(ordinal));
    case Interval::kWeek: return zone_.start_of_day(civil_from_days(ordinal * 7 - 3));
    case Interval::kMonth: return of_month(ordinal);
    case Interval::kQuarter: return of_month(ordinal * 3);
    default: return of_month(ordinal * 12);
  }
}

Bucket Buckets::by_calendar(TimeUs time) const {
  int64_t at = ordinal(zone_.local(time));
  // A clock put back over midnight shows yesterday again: the bucket is then the one that began last.
  while (boundary(at + 1) <= time) ++at;
  return {boundary(at), boundary(at + 1)};
}

}  // namespace khipu::query
