// Times as people write them: every form there is, every refusal, zones with clock changes.
#include "engine/query/time_text.h"

#include "engine/base/time.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::query;

namespace {

const TimeUs kNow = parse_rfc3339("2026-06-16T09:12:44.031877Z").value();  // a Tuesday

std::string instant(std::string_view text, std::string_view tz = "") {
  const auto time = resolve_instant(text, tz, kNow, "at");
  return time.ok() ? format_rfc3339(*time) : time.error().code;
}

std::string window(std::string_view from, std::string_view to, std::string_view tz = "") {
  const auto window = resolve_window(from, to, tz, kNow);
  if (!window.ok()) return window.error().code + " " + window.error().field;
  const auto text = [](const std::optional<TimeUs>& time) { return time ? format_rfc3339(*time) : std::string("-"); };
  return text(window->from) + " " + text(window->to);
}

bool zones() { return check_zone("Europe/London").ok(); }

}  // namespace

TEST_CASE("time text: every accepted form is the instant it says") {
  CHECK(instant("2026-06-15T05:07:07.123456Z") == "2026-06-15T05:07:07.123456Z");
  CHECK(instant("2026-06-15T05:07:07+09:00") == "2026-06-14T20:07:07.000000Z");
  CHECK(instant("2026-06-15") == "2026-06-15T00:00:00.000000Z");
  CHECK(instant("now") == "2026-06-16T09:12:44.031877Z");
  for (const char* form : {"-24h", "now-24h", "24h ago", "-1d", "-1440m", "-86400s"}) {
    CHECK(instant(form) == "2026-06-15T09:12:44.031877Z");
  }
  CHECK(instant("-2w") == "2026-06-02T09:12:44.031877Z");
  CHECK(instant("today") == "2026-06-16T00:00:00.000000Z");
  CHECK(instant("yesterday") == "2026-06-15T00:00:00.000000Z");
  CHECK(instant("this_week") == "2026-06-15T00:00:00.000000Z");
  CHECK(instant("last_month") == "2026-05-01T00:00:00.000000Z");
  CHECK(instant("2026-Q2") == "2026-04-01T00:00:00.000000Z");
  CHECK(instant("1781500027123456") == "2026-06-15T05:07:07.123456Z");
}

TEST_CASE("time text: a calendar word or period alone is its window, with an end of its own it is only its start") {
  CHECK(window("yesterday", "") == "2026-06-15T00:00:00.000000Z 2026-06-16T00:00:00.000000Z");
  CHECK(window("this_week", "") == "2026-06-15T00:00:00.000000Z 2026-06-22T00:00:00.000000Z");
  CHECK(window("last_month", "") == "2026-05-01T00:00:00.000000Z 2026-06-01T00:00:00.000000Z");
  CHECK(window("2026-Q4", "") == "2026-10-01T00:00:00.000000Z 2027-01-01T00:00:00.000000Z");
  CHECK(window("2026-12", "") == "2026-12-01T00:00:00.000000Z 2027-01-01T00:00:00.000000Z");
  CHECK(window("2026-04", "2026-06") == "2026-04-01T00:00:00.000000Z 2026-06-01T00:00:00.000000Z");
  CHECK(window("2026-06-15", "") == "2026-06-15T00:00:00.000000Z -");
  CHECK(window("", "2026-06-15") == "- 2026-06-15T00:00:00.000000Z");
  CHECK(window("", "") == "- -");
}

TEST_CASE("time text: what could mean two things or nothing is refused with its name") {
  for (const char* text : {"2026-06-15T05:07:07", "2026-06-15 05:07", "2026-06-15T05:07:07.5"}) {
    CHECK(instant(text) == "TIME_AMBIGUOUS");
  }
  for (const char* text : {"2026-06-15T05:07:07.1234567Z",
                           "2026-02-30",
                           "2026-13",
                           "2026-Q5",
                           "1781500027",
                           "1781500027123",
                           "1781500027123456789",
                           "-1M",
                           "-1y",
                           "1 month ago",
                           "-h",
                           "-24",
                           "24h",
                           "-24h ago x",
                           "2026-06-15Z",
                           "tomorrow",
                           "Yesterday",
                           "2026",
                           "2026-06-15T24:00:00Z",
                           " now",
                           "now ",
                           "--1h",
                           "-1.5h",
                           "-99999999999999999d"}) {
    INFO(text);
    CHECK(instant(text) == "TIME_UNPARSEABLE");
  }
  CHECK(window("2026-06-15", "2026-06-15") == "TIME_UNPARSEABLE to");
  CHECK(window("2026-06-16", "2026-06-15") == "TIME_UNPARSEABLE to");
  // What would be right is a window that holds time.
  const auto right = [](std::string_view from, std::string_view to) {
    return resolve_window(from, to, "", kNow).error().allowed;
  };
  CHECK(right("2026-06-16", "2026-06-15") ==
        std::vector<std::string>{"from 2026-06-15T00:00:00.000000Z", "to 2026-06-16T00:00:00.000000Z"});
  CHECK(right("2026-06-15", "2026-06-15") ==
        std::vector<std::string>{"from 2026-06-15T00:00:00.000000Z", "to 2026-06-16T00:00:00.000000Z"});
  CHECK(window("2026-06-16", "bad") == "TIME_UNPARSEABLE to");
  CHECK(window("bad", "") == "TIME_UNPARSEABLE from");
  CHECK_THAT(resolve_instant("1781500027", "", kNow, "at").error().hint, ContainsSubstring("seconds"));
  CHECK_THAT(resolve_instant("1781500027123", "", kNow, "at").error().hint, ContainsSubstring("milliseconds"));
  CHECK_FALSE(resolve_instant("x", "", kNow, "at").error().allowed.empty());
}

TEST_CASE("time text: days and naive times are those of the zone given") {
  if (!zones()) SKIP("this machine has no time zone data");
  CHECK(instant("2026-06-15", "Europe/London") == "2026-06-14T23:00:00.000000Z");
  CHECK(instant("2026-06-15T05:07", "Asia/Tokyo") == "2026-06-14T20:07:00.000000Z");
  CHECK(instant("2026-06-15T05:07:07.5", "UTC") == "2026-06-15T05:07:07.500000Z");
  CHECK(instant("2026-06-15T05:07:07.1234567", "UTC") == "TIME_UNPARSEABLE");
  CHECK(window("today", "", "Asia/Tokyo") == "2026-06-15T15:00:00.000000Z 2026-06-16T15:00:00.000000Z");
  // An offset in the text wins over the zone.
  CHECK(instant("2026-06-15T05:07:07Z", "Asia/Tokyo") == "2026-06-15T05:07:07.000000Z");
}

TEST_CASE("time text: clock changes make days of 23 and 25 hours, lost times and double times") {
  if (!zones()) SKIP("this machine has no time zone data");
  CHECK(window("2026-03-29", "2026-03-30", "Europe/London") ==
        "2026-03-29T00:00:00.000000Z 2026-03-29T23:00:00.000000Z");
  CHECK(window("2026-10-25", "2026-10-26", "Europe/London") ==
        "2026-10-24T23:00:00.000000Z 2026-10-26T00:00:00.000000Z");
  CHECK(instant("2026-03-29T01:30", "Europe/London") == "TIME_UNPARSEABLE");  // never was
  CHECK(instant("2026-10-25T01:30", "Europe/London") == "TIME_AMBIGUOUS");    // was twice
  CHECK(instant("2026-10-25T02:30", "Europe/London") == "2026-10-25T02:30:00.000000Z");
  // Clocks jumped at midnight: the day began at one.
  CHECK(instant("2018-11-04", "America/Sao_Paulo") == "2018-11-04T03:00:00.000000Z");
}

TEST_CASE("time text: an unknown zone is refused with the nearest one, and no path gets through") {
  if (!zones()) SKIP("this machine has no time zone data");
  const auto answer = check_zone("Europe/Londn");
  REQUIRE(!answer.ok());
  CHECK(answer.error().code == "UNKNOWN_VALUE");
  CHECK(answer.error().field == "tz");
  CHECK(answer.error().did_you_mean == "Europe/London");
  for (const char* zone : {"../../../etc/passwd", "/etc/localtime", "Mars/Phobos", "europe/london", "GMT+25"}) {
    CHECK_FALSE(check_zone(zone).ok());
  }
  for (const char* zone : {"", "UTC", "America/New_York", "US/Eastern"}) CHECK(check_zone(zone).ok());
}
