// Times as people and models write them (the schemas name the forms), in a time zone, to instants. Not here: zones
// (zone.h), RFC 3339 itself and the calendar (engine/base/time.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/query/answer.h"

namespace khipu::query {

struct TimeWindow {
  std::optional<TimeUs> from, to;  // [from, to)
};

// `from`, `to`: the texts given, empty = absent. A calendar word or plain period alone as `from` ("today", "2026-Q2",
// "2026-06") is its whole window. `tz`: an IANA name; empty = none was given, so date-times need an offset and days are
// UTC's. TIME_UNPARSEABLE (with the forms in `allowed`), TIME_AMBIGUOUS, UNKNOWN_VALUE for a zone nobody knows.
Answer<TimeWindow> resolve_window(std::string_view from, std::string_view to, std::string_view tz, TimeUs now);
// What is told of a window [from, to) that holds no time: one that does.
QueryError empty_window(TimeUs from, TimeUs to);
// One instant; a day or period is its start.
Answer<TimeUs> resolve_instant(std::string_view text, std::string_view tz, TimeUs now, std::string_view argument);
// The zone if it exists: UNKNOWN_VALUE, with hints, or UNAVAILABLE when this machine has no zone data.
Answer<void> check_zone(std::string_view tz);

}  // namespace khipu::query
