// Office hours by the wall clock of a zone, and what lies outside them. Not here: zones themselves (zone.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/query/answer.h"
#include "engine/query/zone.h"

namespace khipu::query {

// What a filter carries. A shift that ends at or before its start goes on into the next day and belongs to the day on
// which it starts: "22:00-06:00" on fridays holds the small hours of saturday.
struct OfficeHours {
  uint16_t from_minute = 0, to_minute = 0;  // [from, to) after midnight, 0 to 1439; equal: the whole day
  uint8_t days = 0;                         // bit 0 is monday
  std::string tz;                           // IANA; empty: UTC
  bool operator==(const OfficeHours&) const = default;
};

// `hours` is "08:00-18:00"; `days` is "mon-fri", "sat,sun", "mon-thu,sat" (a range may run over the end of the week),
// empty: every day. Errors name the arguments "hours.outside", "hours.days", "tz".
Answer<OfficeHours> parse_office_hours(std::string_view hours, std::string_view days, std::string_view tz);
std::string hours_text(const OfficeHours& hours);  // "08:00-18:00"
std::string days_text(const OfficeHours& hours);   // "mon-fri", "mon,wed": days that follow each other as a range

// Office hours made ready for rows.
class HoursTest {
 public:
  static Answer<HoursTest> compile(const OfficeHours& hours);
  bool outside(TimeUs time) const;

 private:
  HoursTest(const OfficeHours& hours, const Zone& zone) : hours_(hours), zone_(zone) {}
  bool works_on(int64_t day) const;  // days since 1970-01-01
  OfficeHours hours_;
  Zone zone_;
};

}  // namespace khipu::query
