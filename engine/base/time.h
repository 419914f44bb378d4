// Times as text: RFC 3339 to microseconds and back, and the civil calendar under it. Not here: time zones and the
// forms people type (engine/query/time_text), clocks (engine/os).
#pragma once

#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace khipu {

inline constexpr int64_t kMicrosPerSecond = 1000000;
inline constexpr TimeUs kTimeMin = -62135596800LL * kMicrosPerSecond;      // 0001-01-01T00:00:00Z
inline constexpr TimeUs kTimeMax = 253402300800LL * kMicrosPerSecond - 1;  // 9999-12-31T23:59:59.999999Z

struct CivilDate {
  int64_t year = 1970;
  unsigned month = 1;  // 1 to 12
  unsigned day = 1;    // 1 to 31
  bool operator==(const CivilDate&) const = default;
};
// Days since 1970-01-01 in the proleptic Gregorian calendar; the date must be valid.
int64_t days_from_civil(const CivilDate& date);
CivilDate civil_from_days(int64_t days);
bool valid_date(const CivilDate& date);

// YYYY-MM-DDThh:mm:ss[.1-9 digits](Z|+hh:mm|-hh:mm), capital T and Z, a date that exists, no second 60. Digits finer
// than microseconds are cut, not rounded: a rounded time could fall into the next day. Years 0001 to 9999 in UTC.
Result<TimeUs> parse_rfc3339(std::string_view text);
// Always UTC, always six digits: "2026-06-15T05:07:07.123456Z".
std::string format_rfc3339(TimeUs time);

}  // namespace khipu
