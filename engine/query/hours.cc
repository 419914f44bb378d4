#include "engine/query/hours.h"

#include <array>
#include <cstdio>
#include <optional>

namespace khipu::query {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr uint8_t kEveryDay = 0x7F;
constexpr uint16_t kMinutesOfDay = 24 * 60;
constexpr int64_t kMinuteUs = 60'000'000;

// "08:00", and "24:00" where an end may stand.
std::optional<uint16_t> minute_of_day(std::string_view text) {
  const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4)) return std::nullopt;
  const int hour = (text[0] - '0') * 10 + (text[1] - '0'), minute = (text[3] - '0') * 10 + (text[4] - '0');
  if (minute > 59 || hour * 60 + minute > kMinutesOfDay) return std::nullopt;
  return static_cast<uint16_t>(hour * 60 + minute);
}

std::optional<unsigned> day_of_week(std::string_view word) {
  for (unsigned day = 0; day < kDays.size(); ++day) {
    if (word == kDays[day]) return day;
  }
  return std::nullopt;
}

// One part of the list: "mon" or "mon-fri".
std::optional<uint8_t> days_of(std::string_view part) {
  const size_t dash = part.find('-');
  const auto first = day_of_week(part.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : day_of_week(part.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  uint8_t days = 0;
  for (unsigned day = *first;; day = (day + 1) % 7) {
    days |= static_cast<uint8_t>(1U << day);
    if (day == *last) return days;
  }
}

}  // namespace

Answer<OfficeHours> parse_office_hours(std::string_view hours, std::string_view days, std::string_view tz) {
  OfficeHours out;
  out.tz = tz;
  if (const Answer<Zone> zone = Zone::find(tz); !zone.ok()) return zone.error();
  const size_t dash = hours.find('-');
  const auto from = minute_of_day(hours.substr(0, dash));
  const auto to = dash == std::string_view::npos ? std::nullopt : minute_of_day(hours.substr(dash + 1));
  if (!from || !to || *from == kMinutesOfDay) {
    return QueryError("INVALID_ARGUMENT", "hours.outside", hours,
                      "Office hours are written as two times of day, 08:00-18:00.");
  }
  out.from_minute = *from;
  out.to_minute = *to % kMinutesOfDay;
  if (days.empty()) out.days = kEveryDay;
  while (!days.empty()) {
    const size_t comma = days.find(',');
    const auto some = days_of(days.substr(0, comma));
    if (!some || comma == days.size() - 1) {
      QueryError error("INVALID_ARGUMENT", "hours.days", days,
                       "Days are written mon-fri, or as a list: mon,wed,sat-sun.");
      error.allowed.assign(kDays.begin(), kDays.end());
      return error;
    }
    out.days |= *some;
    days = comma == std::string_view::npos ? std::string_view() : days.substr(comma + 1);
  }
  return out;
}

std::string hours_text(const OfficeHours& hours) {
  std::array<char, 16> text{};
  const unsigned to = hours.to_minute == 0 ? kMinutesOfDay : hours.to_minute;
  std::snprintf(text.data(), text.size(), "%02u:%02u-%02u:%02u", hours.from_minute / 60U, hours.from_minute % 60U,
                to / 60U, to % 60U);
  return text.data();
}

std::string days_text(const OfficeHours& hours) {
  std::string text;
  for (unsigned day = 0; day < kDays.size(); ++day) {
    const auto has = [&](unsigned which) { return which < kDays.size() && (hours.days >> which & 1U) != 0; };
    if (!has(day)) continue;
    unsigned last = day;
    while (has(last + 1)) ++last;
    if (!text.empty()) text += ',';
    text += kDays[day];
    if (last > day) text.append("-").append(kDays[last]);
    day = last;
  }
  return text;
}

Answer<HoursTest> HoursTest::compile(const OfficeHours& hours) {
  KHIPU_TRY_ASSIGN(const Zone zone, Zone::find(hours.tz));
  return HoursTest(hours, zone);
}

bool HoursTest::works_on(int64_t day) const {
  const int64_t weekday = ((day + 3) % 7 + 7) % 7;  // 1970-01-01 was a thursday
  return (hours_.days >> weekday & 1) != 0;
}

bool HoursTest::outside(TimeUs time) const {
  const LocalTime local = zone_.local(time);
  const int64_t day = days_from_civil(local.date), minute = local.time_of_day_us / kMinuteUs;
  if (hours_.from_minute < hours_.to_minute) {
    return !works_on(day) || minute < hours_.from_minute || minute >= hours_.to_minute;
  }
  const bool in_late_part = minute >= hours_.from_minute && works_on(day);
  const bool in_early_part = minute < hours_.to_minute && works_on(day - 1);
  return !in_late_part && !in_early_part;
}

}  // namespace khipu::query
