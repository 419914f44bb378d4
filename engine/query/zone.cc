#include "engine/query/zone.h"

#include <date/tz.h>

#include "engine/query/near.h"

namespace khipu::query {
namespace {

constexpr int64_t kMicrosPerDay = 86400 * kMicrosPerSecond;
using Micros = std::chrono::microseconds;
using Local = date::local_time<Micros>;

TimeUs micros(const LocalTime& local) { return days_from_civil(local.date) * kMicrosPerDay + local.time_of_day_us; }
const date::time_zone& zone_of(const void* zone) { return *static_cast<const date::time_zone*>(zone); }

// local_info counts seconds; a time within a second lies where its second does.
date::local_info info(const void* zone, TimeUs local_us) {
  return zone_of(zone).get_info(date::floor<std::chrono::seconds>(Local(Micros(local_us))));
}

QueryError unknown(std::string_view name, const std::vector<std::string>& near) {
  QueryError error("UNKNOWN_VALUE", "tz", name, "Not a time zone this machine knows: use an IANA name or UTC.");
  error.allowed = {"UTC", "Europe/London", "America/New_York", "Asia/Tokyo"};
  error.did_you_mean = nearest(name, near);
  return error;
}

}  // namespace

Answer<Zone> Zone::find(std::string_view name) {
  if (name.empty() || name == "UTC" || name == "Z") return Zone(nullptr);
  try {
    const date::tzdb& database = date::get_tzdb();
    for (const date::time_zone& zone : database.zones) {
      if (zone.name() == name) {
        (void)zone.get_info(date::sys_seconds{});  // reads its file now: an unreadable one throws here and not later
        return Zone(&zone);
      }
    }
    std::vector<std::string> names;
    for (const date::time_zone& zone : database.zones) names.push_back(zone.name());
    return unknown(name, names);
  } catch (const std::exception&) {
    QueryError error("UNAVAILABLE", "tz", name,
                     "This machine's time zone data cannot be read (Debian: package tzdata). UTC works without it.");
    return error;
  }
}

std::optional<TimeUs> Zone::instant(const LocalTime& local, bool& twice) const {
  twice = false;
  const TimeUs local_us = micros(local);
  if (zone_ == nullptr) return local_us;
  const date::local_info found = info(zone_, local_us);
  if (found.result == date::local_info::nonexistent) return std::nullopt;
  twice = found.result == date::local_info::ambiguous;
  return local_us - Micros(found.first.offset).count();
}

TimeUs Zone::first_instant(const LocalTime& local) const {
  const TimeUs local_us = micros(local);
  if (zone_ == nullptr) return local_us;
  const date::local_info found = info(zone_, local_us);
  if (found.result == date::local_info::nonexistent) return Micros(found.first.end.time_since_epoch()).count();
  return local_us - Micros(found.first.offset).count();
}

Zone::Offset Zone::offset(TimeUs time) const {
  if (zone_ == nullptr) return {kTimeMin, kTimeMax, 0};
  const auto at = date::floor<std::chrono::seconds>(date::sys_time<Micros>(Micros(time)));
  const date::sys_info found = zone_of(zone_).get_info(at);
  // The ends of the zone data lie outside of what microseconds can count.
  const auto micros_of = [](date::sys_seconds instant) {
    const int64_t seconds = instant.time_since_epoch().count();
    if (seconds <= kTimeMin / kMicrosPerSecond) return kTimeMin;
    return seconds > kTimeMax / kMicrosPerSecond ? kTimeMax : seconds * kMicrosPerSecond;
  };
  return {micros_of(found.begin), micros_of(found.end), Micros(found.offset).count()};
}

LocalTime Zone::local(TimeUs time) const {
  time += offset(time).ahead_us;
  int64_t days = time / kMicrosPerDay;
  int64_t rest = time % kMicrosPerDay;
  if (rest < 0) {
    rest += kMicrosPerDay;
    --days;
  }
  return {civil_from_days(days), rest};
}

}  // namespace khipu::query
