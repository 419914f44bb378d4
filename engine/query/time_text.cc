#include "engine/query/time_text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/base/time.h"
#include "engine/query/zone.h"

namespace khipu::query {
namespace {

constexpr int64_t kDayUs = 86400 * kMicrosPerSecond;

bool digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}
// A decimal of at most 18 digits.
std::optional<int64_t> number(std::string_view text) {
  if (!digits(text) || text.size() > 18) return std::nullopt;
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

QueryError unparseable(std::string_view argument, std::string_view text, std::string hint) {
  QueryError error("TIME_UNPARSEABLE", std::string(argument), text, std::move(hint));
  error.allowed = {"2026-06-15T05:07:07.123456Z",
                   "2026-06-15T05:07:07+09:00",
                   "2026-06-15",
                   "-24h",
                   "now-7d",
                   "24h ago",
                   "now",
                   "today",
                   "yesterday",
                   "this_week",
                   "last_month",
                   "2026-06",
                   "2026-Q2",
                   "1781500027123456"};
  return error;
}

// What one text means: [start, end) for a period, start alone for an instant.
struct Meaning {
  TimeUs start = 0;
  std::optional<TimeUs> end;
};

struct Reader {
  std::string_view argument;
  std::string_view text;
  const Zone& zone;
  bool zone_given;
  TimeUs now;

  QueryError bad(std::string hint) const { return unparseable(argument, text, std::move(hint)); }

  Meaning months(CivilDate first, unsigned count) const {
    CivilDate end = first;
    end.month += count;
    while (end.month > 12) {
      end.month -= 12;
      ++end.year;
    }
    return {zone.start_of_day(first), zone.start_of_day(end)};
  }
  Meaning days(int64_t first, int64_t count) const {
    return {zone.start_of_day(civil_from_days(first)), zone.start_of_day(civil_from_days(first + count))};
  }

  std::optional<Meaning> calendar_word() const {
    const CivilDate today = zone.local(now).date;
    const int64_t day = days_from_civil(today);
    const int64_t monday = day - ((day + 3) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
    const CivilDate month{today.year, today.month, 1};
    const CivilDate last_month =
        today.month == 1 ? CivilDate{today.year - 1, 12, 1} : CivilDate{today.year, today.month - 1, 1};
    const CivilDate quarter{today.year, (today.month - 1) / 3 * 3 + 1, 1};
    const CivilDate last_quarter =
        quarter.month == 1 ? CivilDate{today.year - 1, 10, 1} : CivilDate{today.year, quarter.month - 3, 1};
    if (text == "today") return days(day, 1);
    if (text == "yesterday") return days(day - 1, 1);
    if (text == "this_week") return days(monday, 7);
    if (text == "last_week") return days(monday - 7, 7);
    if (text == "this_month") return months(month, 1);
    if (text == "last_month") return months(last_month, 1);
    if (text == "this_quarter") return months(quarter, 3);
    if (text == "last_quarter") return months(last_quarter, 3);
    if (text == "this_year") return months({today.year, 1, 1}, 12);
    if (text == "last_year") return months({today.year - 1, 1, 1}, 12);
    return std::nullopt;
  }

  // "24h" in microseconds.
  Answer<int64_t> duration(std::string_view span) const {
    const std::optional<int64_t> count = span.empty() ? std::nullopt : number(span.substr(0, span.size() - 1));
    if (!count) return bad("A span is a whole number and a unit, such as 24h; units are s, m, h, d, w.");
    constexpr std::string_view kUnits = "smhdw";
    constexpr std::array<int64_t, 5> kSeconds = {1, 60, 3600, 86400, 7 * 86400};
    const size_t unit = kUnits.find(span.back());
    if (unit == std::string_view::npos) {
      return bad(
          "Units are s, m (minutes), h, d (24 hours) and w; months and years differ in length: name them (2026-06).");
    }
    if (*count > (kTimeMax / kMicrosPerSecond) / kSeconds[unit])
      return bad("That span is longer than time is counted.");
    return *count * kSeconds[unit] * kMicrosPerSecond;
  }

  std::optional<Answer<Meaning>> relative() const {
    std::string_view span = text;
    if (span == "now") return Answer<Meaning>(Meaning{now, std::nullopt});
    if (span.ends_with(" ago")) {
      span.remove_suffix(4);
    } else if (span.starts_with("now-")) {
      span.remove_prefix(4);
    } else if (span.starts_with("-")) {
      span.remove_prefix(1);
    } else {
      return std::nullopt;
    }
    auto size = duration(span);
    if (!size.ok()) return Answer<Meaning>(std::move(size).error());
    return Answer<Meaning>(Meaning{now - *size, std::nullopt});
  }

  Answer<Meaning> integer() const {
    if (text.size() == 16) return Meaning{*number(text), std::nullopt};
    std::string what = "An integer is microseconds since 1970 and has 16 digits";
    if (text.size() == 10) what += "; this looks like seconds: append 000000";
    if (text.size() == 13) what += "; this looks like milliseconds: append 000";
    if (text.size() == 19) what += "; this looks like nanoseconds: leave out the last three digits";
    return bad(what + ".");
  }

  // 2026-06, 2026-Q2, 2026-06-15
  std::optional<Answer<Meaning>> date() const {
    if (text.size() < 7 || text[4] != '-') return std::nullopt;
    const std::optional<int64_t> year = number(text.substr(0, 4));
    if (!year) return std::nullopt;
    if (text.size() == 7 && text[5] == 'Q') {
      const int quarter = text[6] - '0';
      if (quarter < 1 || quarter > 4 || *year < 1) return Answer<Meaning>(bad("Quarters are Q1 to Q4."));
      return Answer<Meaning>(months({*year, static_cast<unsigned>(quarter) * 3 - 2, 1}, 3));
    }
    const std::optional<int64_t> month = number(text.substr(5, 2));
    if (!month) return std::nullopt;
    if (text.size() == 7) {
      const CivilDate first{*year, static_cast<unsigned>(*month), 1};
      if (!valid_date(first)) return Answer<Meaning>(bad("There is no such month."));
      return Answer<Meaning>(months(first, 1));
    }
    const std::optional<int64_t> day = text.size() == 10 && text[7] == '-' ? number(text.substr(8)) : std::nullopt;
    if (!day) return std::nullopt;
    const CivilDate date{*year, static_cast<unsigned>(*month), static_cast<unsigned>(*day)};
    if (!valid_date(date)) return Answer<Meaning>(bad("There is no such day."));
    return Answer<Meaning>(Meaning{zone.start_of_day(date), std::nullopt});
  }

  // 2026-06-15T05:07[:07[.123456]] without an offset; a space may stand for the T.
  std::optional<Answer<Meaning>> naive() const {
    if (text.size() < 16 || (text[10] != 'T' && text[10] != ' ')) return std::nullopt;
    std::string whole(text);
    whole[10] = 'T';
    if (whole.size() == 16) whole += ":00";
    const auto as_utc = parse_rfc3339(whole + "Z");
    if (!as_utc.ok()) return std::nullopt;
    if (!zone_given) {
      QueryError error("TIME_AMBIGUOUS", std::string(argument), text,
                       "This time names no offset. Append Z for UTC or an offset such as +02:00, or give tz.");
      error.did_you_mean = whole + "Z";
      return Answer<Meaning>(error);
    }
    if (const auto point = whole.find('.'); point != std::string::npos && whole.size() - point > 7) {
      return Answer<Meaning>(bad("At most six digits after the point: the log counts microseconds."));
    }
    bool twice = false;
    const LocalTime local{civil_from_days((*as_utc - ((*as_utc % kDayUs) + kDayUs) % kDayUs) / kDayUs),
                          ((*as_utc % kDayUs) + kDayUs) % kDayUs};
    const std::optional<TimeUs> instant = zone.instant(local, twice);
    if (!instant) return Answer<Meaning>(bad("Clocks in that zone were put forward over this time: it never was."));
    if (twice) {
      QueryError error("TIME_AMBIGUOUS", std::string(argument), text,
                       "Clocks in that zone were put back: this time came twice. Give an offset instead.");
      error.did_you_mean = format_rfc3339(*instant);
      return Answer<Meaning>(error);
    }
    return Answer<Meaning>(Meaning{*instant, std::nullopt});
  }

  Answer<Meaning> read() const {
    if (text.size() > 64) return bad("This is too long for a time.");
    if (digits(text)) return integer();
    if (auto word = calendar_word()) return *word;
    if (auto meaning = relative()) return std::move(*meaning);
    if (auto meaning = date()) return std::move(*meaning);
    if (auto meaning = naive()) return std::move(*meaning);
    const auto time = parse_rfc3339(text);
    if (!time.ok()) {
      return bad("This is none of the forms a time may have; the whole text must be one of them, letters as shown.");
    }
    const size_t point = text.find('.');
    if (point != std::string_view::npos && text.find_first_not_of("0123456789", point + 1) - point > 7) {
      return bad("At most six digits after the point: the log counts microseconds.");
    }
    return Meaning{*time, std::nullopt};
  }
};

}  // namespace

QueryError empty_window(TimeUs from, TimeUs to) {
  QueryError error =
      unparseable("to", "", "The window is empty: `to` (which does not belong to it) must lie behind `from`.");
  constexpr TimeUs kDay = 86'400'000'000;
  error.allowed = {"from " + format_rfc3339(std::min(from, to)),
                   "to " + format_rfc3339(from == to ? std::min(from, INT64_MAX - kDay) + kDay : from)};
  return error;
}

Answer<TimeWindow> resolve_window(std::string_view from, std::string_view to, std::string_view tz, TimeUs now) {
  KHIPU_TRY_ASSIGN(const Zone zone, Zone::find(tz));
  TimeWindow window;
  if (!from.empty()) {
    KHIPU_TRY_ASSIGN(const Meaning meaning, (Reader{"from", from, zone, !tz.empty(), now}.read()));
    window.from = meaning.start;
    if (to.empty()) window.to = meaning.end;
  }
  if (!to.empty()) {
    KHIPU_TRY_ASSIGN(const Meaning meaning, (Reader{"to", to, zone, !tz.empty(), now}.read()));
    window.to = meaning.start;
  }
  if (window.from && window.to && *window.from >= *window.to) {
    QueryError error = empty_window(*window.from, *window.to);
    error.got = std::string((to.empty() ? from : to).substr(0, 64));
    return error;
  }
  return window;
}

Answer<TimeUs> resolve_instant(std::string_view text, std::string_view tz, TimeUs now, std::string_view argument) {
  KHIPU_TRY_ASSIGN(const Zone zone, Zone::find(tz));
  KHIPU_TRY_ASSIGN(const Meaning meaning, (Reader{argument, text, zone, !tz.empty(), now}.read()));
  return meaning.start;
}

Answer<void> check_zone(std::string_view tz) {
  KHIPU_TRY(Zone::find(tz));
  return {};
}

}  // namespace khipu::query
