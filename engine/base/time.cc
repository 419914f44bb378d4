#include "engine/base/time.h"

#include <array>

namespace khipu {
namespace {

// The two digits at `at`, or a number above 99 when they are not digits.
unsigned two(std::string_view text, size_t at) {
  const unsigned high = static_cast<unsigned char>(text[at]) - unsigned{'0'};
  const unsigned low = static_cast<unsigned char>(text[at + 1]) - unsigned{'0'};
  return high > 9 || low > 9 ? 1000 : high * 10 + low;
}

Error bad(std::string_view text, std::string_view why) {
  std::string message = "'";
  message.append(text.substr(0, 64)).append("' is not an RFC 3339 time (").append(why);
  message += "): write it like 2026-06-15T05:07:07.123456Z";
  return {Code::kInvalid, std::move(message)};
}

bool leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

void put(std::string& to, size_t at, unsigned width, uint64_t value) {
  for (size_t i = at + width; i > at; value /= 10) to[--i] = static_cast<char>('0' + value % 10);
}

}  // namespace

// Howard Hinnant, "chrono-compatible low-level date algorithms": eras of 400 years, years that begin in March.
int64_t days_from_civil(const CivilDate& date) {
  const int64_t year = date.year - (date.month <= 2 ? 1 : 0);
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t month = (date.month + 9) % 12;
  const int64_t day_of_year = (153 * month + 2) / 5 + static_cast<int64_t>(date.day) - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

CivilDate civil_from_days(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t day_of_era = days - era * 146097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month = (5 * day_of_year + 2) / 153;
  CivilDate date;
  date.day = static_cast<unsigned>(day_of_year - (153 * month + 2) / 5 + 1);
  date.month = static_cast<unsigned>(month < 10 ? month + 3 : month - 9);
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

bool valid_date(const CivilDate& date) {
  constexpr std::array<unsigned, 13> kDays = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (date.year < 1 || date.year > 9999 || date.month < 1 || date.month > 12 || date.day < 1) return false;
  return date.day <= kDays[date.month] + (date.month == 2 && leap(date.year) ? 1U : 0U);
}

Result<TimeUs> parse_rfc3339(std::string_view text) {
  const auto is = [&](size_t at, char upper) { return text[at] == upper || text[at] == upper + 32; };
  if (text.size() == 19 && is(10, 'T')) return bad(text, "it must end in Z or an offset such as +02:00");
  if (text.size() < 20) return bad(text, "too short");
  if (text[4] != '-' || text[7] != '-' || !is(10, 'T') || text[13] != ':' || text[16] != ':') {
    return bad(text, "expected YYYY-MM-DDThh:mm:ss");
  }
  const unsigned century = two(text, 0), year = two(text, 2);
  const CivilDate date{century > 99 || year > 99 ? 0 : int64_t{century} * 100 + year, two(text, 5), two(text, 8)};
  if (!valid_date(date)) return bad(text, "no such date");
  const unsigned hour = two(text, 11), minute = two(text, 14), second = two(text, 17);
  if (hour > 23 || minute > 59 || second > 60) return bad(text, "no such time of day");
  size_t at = 19;
  int64_t micros = 0;
  if (text[at] == '.') {
    size_t digits = 0;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
      if (digits < 6) micros = micros * 10 + (text[at] - '0');
    }
    if (digits == 0 || digits > 9) return bad(text, "1 to 9 digits after the point");
    for (; digits < 6; ++digits) micros *= 10;
  }
  int64_t offset_s = 0;
  if (at + 1 == text.size() && is(at, 'Z')) {
    offset_s = 0;
  } else if (at + 6 == text.size() && (text[at] == '+' || text[at] == '-') && text[at + 3] == ':') {
    const unsigned hours = two(text, at + 1), minutes = two(text, at + 4);
    if (hours > 23 || minutes > 59) return bad(text, "no such offset");
    offset_s = (int64_t{hours} * 60 + minutes) * 60;
    if (text[at] == '-') offset_s = -offset_s;
  } else {
    return bad(text, "it must end in Z or an offset such as +02:00");
  }
  const int64_t seconds = days_from_civil(date) * 86400 + hour * 3600 + minute * 60 + second - offset_s;
  // A leap second ends a month in UTC. Times here have none: it is the first second of the next day, as in POSIX.
  if (second == 60 && (seconds % 86400 != 0 || civil_from_days(seconds / 86400).day != 1)) {
    return bad(text, "a second 60 there is only at the end of a month in UTC");
  }
  const TimeUs time = seconds * kMicrosPerSecond + micros;
  if (time < kTimeMin || time > kTimeMax) return bad(text, "outside the years 0001 to 9999 in UTC");
  return time;
}

std::string format_rfc3339(TimeUs time) {
  constexpr int64_t kDay = 86400 * kMicrosPerSecond;
  int64_t days = time / kDay;
  int64_t rest = time % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  const CivilDate date = civil_from_days(days);
  if (date.year < 0 || date.year > 9999) {  // never stored; a damaged record may still hold one, and must be shown
    return std::to_string(time) + "us";
  }
  std::string text = "0000-00-00T00:00:00.000000Z";
  put(text, 0, 4, static_cast<uint64_t>(date.year));
  put(text, 5, 2, date.month);
  put(text, 8, 2, date.day);
  const auto seconds = static_cast<uint64_t>(rest / kMicrosPerSecond);
  put(text, 11, 2, seconds / 3600);
  put(text, 14, 2, seconds / 60 % 60);
  put(text, 17, 2, seconds % 60);
  put(text, 20, 6, static_cast<uint64_t>(rest % kMicrosPerSecond));
  return text;
}

}  // namespace khipu
