#include "engine/base/time.h"

#include "tests/support/catch.h"

namespace khipu {
namespace {

TimeUs parsed(std::string_view text) {
  const auto time = parse_rfc3339(text);
  INFO(text << ": " << (time.ok() ? "" : time.error().message));
  REQUIRE(time.ok());
  return *time;
}

TEST_CASE("time: RFC 3339 texts become microseconds and come back") {
  CHECK(parsed("1970-01-01T00:00:00Z") == 0);
  CHECK(parsed("2026-06-15T05:07:07.123456Z") == 1781500027123456);
  CHECK(parsed("1969-12-31T23:59:59.999999Z") == -1);
  CHECK(parsed("0001-01-01T00:00:00Z") == kTimeMin);
  CHECK(parsed("9999-12-31T23:59:59.999999Z") == kTimeMax);
  for (const char* text : {"2026-06-15T05:07:07.123456Z", "0001-01-01T00:00:00.000000Z", "2000-02-29T23:59:59.000001Z",
                           "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"}) {
    CHECK(format_rfc3339(parsed(text)) == text);
  }
}

TEST_CASE("time: an offset is taken off, and fractions of any length up to nine digits mean what they say") {
  CHECK(parsed("2022-02-08T09:23:37+11:00") == parsed("2022-02-07T22:23:37Z"));
  CHECK(parsed("2022-02-07T17:23:37-05:00") == parsed("2022-02-07T22:23:37Z"));
  CHECK(parsed("2022-02-07T22:23:37.5Z") == parsed("2022-02-07T22:23:37.500000Z"));
  CHECK(parsed("2022-02-07T22:23:37.38403Z") == parsed("2022-02-07T22:23:37.384030Z"));
  CHECK(parsed("2022-02-07T22:23:37.999999999Z") == parsed("2022-02-07T22:23:37.999999Z"));  // cut, not rounded
}

TEST_CASE("time: T and Z may be small, and a leap second is the second that comes after it") {
  CHECK(parsed("2026-06-15t05:07:07z") == parsed("2026-06-15T05:07:07Z"));
  CHECK(parsed("2016-12-31T23:59:60Z") == parsed("2017-01-01T00:00:00Z"));
  CHECK(parsed("1990-12-31T15:59:60.25-08:00") == parsed("1991-01-01T00:00:00.25Z"));  // RFC 3339 5.8
}

TEST_CASE("time: what is not exactly RFC 3339 is refused") {
  for (const char* text : {"",
                           "2026-06-15",
                           "2026-06-15T05:07:07",
                           "2026-06-15 05:07:07Z",
                           "2026-06-15T05:07:07.Z",
                           "2026-06-15T05:07:07.1234567890Z",
                           "2026-06-15T05:07:07+0200",
                           "2026-06-15T05:07:07+24:00",
                           "2026-02-29T00:00:00Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-06-31T00:00:00Z",
                           "2026-06-15T24:00:00Z",
                           "2026-06-15T23:59:60Z",
                           "2016-12-31T23:58:60Z",
                           "2016-12-31T23:59:61Z",
                           "2016-12-31T23:59:60+01:00",
                           "0000-06-15T05:07:07Z",
                           "0001-01-01T00:00:00+00:01",
                           "9999-12-31T23:59:59-00:01",
                           "2026-06-15T05:07:07ZZ",
                           "2026-0a-15T05:07:07Z",
                           "+026-06-15T05:07:07Z",
                           "2026-06-15T05:07:07.1x3Z"}) {
    INFO(text);
    const auto time = parse_rfc3339(text);
    REQUIRE(!time.ok());
    CHECK_THAT(time.error().message, ContainsSubstring("RFC 3339"));
  }
  CHECK_THAT(parse_rfc3339("2026-06-15T05:07:07").error().message, ContainsSubstring("offset such as +02:00"));
}

TEST_CASE("time: the calendar agrees with itself on every day of 800 years") {
  int64_t expected = days_from_civil({1599, 12, 31});
  CivilDate date{1600, 1, 1};
  while (date.year < 2400) {
    REQUIRE(valid_date(date));
    REQUIRE(days_from_civil(date) == ++expected);
    REQUIRE(civil_from_days(expected) == date);
    ++date.day;
    if (!valid_date(date)) date = {date.year, date.month + 1, 1};
    if (date.month > 12) date = {date.year + 1, 1, 1};
  }
  CHECK(days_from_civil({1970, 1, 1}) == 0);
}

}  // namespace
}  // namespace khipu
