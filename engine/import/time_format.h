// The time formats a mapping file may list: rfc3339, epoch_s (fraction allowed), epoch_ms, epoch_us, or a pattern of
// %Y %m %d %H %M %S %f (1 to 9 digits) %b (Jan...) %e (day, space-padded) %z (+hhmm, +hh:mm, Z) and literal text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace khipu::import {

// What a pattern without %z means: an offset, or the local time of this machine.
struct Zone {
  bool local = false;
  bool given = false;
  int64_t offset_s = 0;
};
Result<Zone> parse_zone(std::string_view text);  // "local", "Z", "+02:00"

Result<void> check_time_format(std::string_view format, const Zone& zone);
// nullopt when the text is not of this format.
std::optional<TimeUs> parse_time(std::string_view text, std::string_view format, const Zone& zone);

}  // namespace khipu::import
