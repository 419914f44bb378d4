// Office hours: as words, on the wall clock, and as a condition of questions.
#include "engine/query/hours.h"

#include "engine/base/time.h"
#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

TimeUs at(std::string_view text) {
  const auto time = parse_rfc3339(text);
  REQUIRE(time.ok());
  return *time;
}

HoursTest test_of(std::string_view hours, std::string_view days, std::string_view tz) {
  return good(HoursTest::compile(good(parse_office_hours(hours, days, tz))));
}

}  // namespace

TEST_CASE("hours: what is written is read, and shown in one way") {
  const auto shown = [](std::string_view hours, std::string_view days) {
    const OfficeHours read = good(parse_office_hours(hours, days, "Europe/London"));
    return hours_text(read) + " " + days_text(read);
  };
  CHECK(shown("08:00-18:00", "mon-fri") == "08:00-18:00 mon-fri");
  CHECK(shown("00:00-24:00", "") == "00:00-24:00 mon-sun");
  CHECK(shown("22:30-06:00", "sat,mon,tue,wed") == "22:30-06:00 mon-wed,sat");
  CHECK(shown("09:00-17:00", "sat-mon") == "09:00-17:00 mon,sat-sun");
}

TEST_CASE("hours: what is no time of day, no day and no zone is refused, naming the argument") {
  const auto field = [](std::string_view hours, std::string_view days, std::string_view tz) {
    const auto read = parse_office_hours(hours, days, tz);
    REQUIRE(!read.ok());
    return read.error().field;
  };
  for (const char* hours : {"", "8-18", "08:00", "08:00-", "-18:00", "08:60-18:00", "08:00-24:01", "24:00-08:00",
                            "08.00-18.00", "08:00 - 18:00", "08:00-18:00x", "aa:bb-cc:dd"}) {
    CAPTURE(hours);
    CHECK(field(hours, "mon", "") == "hours.outside");
  }
  for (const char* days : {"monday", "mon-", "-fri", "mon,,tue", "mon,", ",", "Mon", "mon-fri-sat"}) {
    CAPTURE(days);
    CHECK(field("08:00-18:00", days, "") == "hours.days");
  }
  CHECK(field("08:00-18:00", "mon", "Europe/Londn") == "tz");
}

TEST_CASE("hours: the bounds are half open, and other days lie outside whole") {
  const HoursTest office = test_of("08:00-18:00", "mon-fri", "");
  CHECK(office.outside(at("2026-06-15T07:59:59.999999Z")));  // a monday
  CHECK_FALSE(office.outside(at("2026-06-15T08:00:00Z")));
  CHECK_FALSE(office.outside(at("2026-06-15T17:59:59.999999Z")));
  CHECK(office.outside(at("2026-06-15T18:00:00Z")));
  CHECK(office.outside(at("2026-06-14T12:00:00Z")));  // a sunday
  CHECK(office.outside(at("1969-12-28T12:00:00Z")));  // a sunday before the epoch
  CHECK_FALSE(office.outside(at("1969-12-29T12:00:00Z")));
}

TEST_CASE("hours: a shift over midnight belongs to the day it starts on") {
  const HoursTest night = test_of("22:00-06:00", "fri", "");
  CHECK_FALSE(night.outside(at("2026-06-19T23:00:00Z")));  // a friday
  CHECK_FALSE(night.outside(at("2026-06-20T05:59:59Z")));
  CHECK(night.outside(at("2026-06-20T06:00:00Z")));
  CHECK(night.outside(at("2026-06-20T23:00:00Z")));
  CHECK(night.outside(at("2026-06-19T05:00:00Z")));  // the small hours of thursday's shift
  const HoursTest all_day = test_of("00:00-24:00", "sat-sun", "");
  CHECK_FALSE(all_day.outside(at("2026-06-20T00:00:00Z")));
  CHECK_FALSE(all_day.outside(at("2026-06-21T23:59:59Z")));
  CHECK(all_day.outside(at("2026-06-22T00:00:00Z")));
}

TEST_CASE("hours: the wall clock of the zone counts, before and after it is put forward and back") {
  const HoursTest london = test_of("08:00-18:00", "", "Europe/London");
  CHECK(london.outside(at("2026-03-28T07:30:00Z")));        // still winter: 07:30 there
  CHECK_FALSE(london.outside(at("2026-03-29T07:30:00Z")));  // put forward in this night: 08:30
  CHECK_FALSE(london.outside(at("2026-10-24T07:30:00Z")));
  CHECK(london.outside(at("2026-10-25T07:30:00Z")));  // put back in this night
  const HoursTest auckland = test_of("08:00-18:00", "mon", "Pacific/Auckland");
  CHECK_FALSE(auckland.outside(at("2026-06-14T21:00:00Z")));  // monday 09:00 there
}

TEST_CASE("hours: questions, counts and pages keep to them, on the axis of the window, sealed or not") {
  TestLog log(6000);
  std::vector<uint64_t> expected;
  const HoursTest office = test_of("08:00-18:00", "mon-fri", "America/New_York");
  for (uint64_t n = 0; n < 24 * 9; ++n) {
    const TimeUs time = at("2026-03-05T00:30:00Z") + static_cast<TimeUs>(n) * 3'600'000'000;
    const Row seq = log.add(Spec{.time = time, .actor = user("u-" + std::to_string(n % 3))});
    if (office.outside(time)) expected.push_back(seq.value);
  }
  log.wait_until_indexed();
  REQUIRE(expected.size() == 24 * 9 - 7 * 10);
  EventRequest request;
  request.filter.emplace();
  request.filter->outside_hours = good(parse_office_hours("08:00-18:00", "mon-fri", "America/New_York"));
  request.order = Order{OrderBy::kSeq, false};
  request.limit = 50;
  std::vector<uint64_t> found;
  for (;;) {
    const EventPage page = good(log.engine().events(request));
    CHECK(page.total == expected.size());
    for (const EventRow& row : page.rows) found.push_back(row.seq.value);
    if (!page.cursor) break;
    request.cursor = *page.cursor;
    request.filter.reset();  // the cursor carries the hours too
  }
  CHECK(found == expected);

  EventRequest recorded;
  recorded.filter.emplace();
  recorded.filter->axis = Axis::kRecorded;
  // Recorded in one go on a monday at 05:07 UTC: outside by New York's clock, inside by Tokyo's.
  recorded.filter->outside_hours = good(parse_office_hours("08:00-18:00", "mon-fri", "America/New_York"));
  CHECK(good(log.engine().events(recorded)).total == 24 * 9);
  recorded.filter->outside_hours = good(parse_office_hours("08:00-18:00", "mon-fri", "Asia/Tokyo"));
  CHECK(good(log.engine().events(recorded)).total == 0);
}
