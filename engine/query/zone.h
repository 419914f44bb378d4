// A time zone: local calendar times to instants and back. Behind it stand the date library and the system's zone data;
// nothing else in the project knows them. Not here: the words people write (time_text.h).
#pragma once

#include <optional>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/query/answer.h"

namespace khipu::query {

// A date and a time of day as a wall clock shows them.
struct LocalTime {
  CivilDate date;
  int64_t time_of_day_us = 0;  // may be a day or more: it is added
};

// A value; the zone data behind it lives as long as the process.
class Zone {
 public:
  // Empty name, "UTC" and "Z" are UTC without any zone data. UNKNOWN_VALUE with a near name, or UNAVAILABLE when this
  // machine has no zone data at all.
  static Answer<Zone> find(std::string_view name);

  bool is_utc() const { return zone_ == nullptr; }
  // The instant a wall clock shows `local`. nullopt: no such time, the clock was put forward over it.
  // `twice`: it comes twice (the clock was put back) and the earlier one is returned.
  std::optional<TimeUs> instant(const LocalTime& local, bool& twice) const;
  // The first instant of a day, also where its midnight does not exist.
  TimeUs start_of_day(const CivilDate& date) const { return first_instant({date, 0}); }
  // The first instant at which a wall clock shows `local`, or at which it was put forward over it.
  TimeUs first_instant(const LocalTime& local) const;
  LocalTime local(TimeUs time) const;
  // How far local time is ahead of UTC at an instant, and between which instants [from, to) it stays so.
  struct Offset {
    TimeUs from = 0, to = 0;
    int64_t ahead_us = 0;
  };
  Offset offset(TimeUs time) const;

 private:
  explicit Zone(const void* zone) : zone_(zone) {}
  const void* zone_;  // date::time_zone; nullptr: UTC
};

}  // namespace khipu::query
