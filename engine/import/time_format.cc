#include "engine/import/time_format.h"

#include <array>
#include <ctime>

#include "engine/base/time.h"
#include "engine/ingest/near_name.h"

namespace khipu::import {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Takes `width` digits (or fewer, down to `least`) from the front.
std::optional<int64_t> digits(std::string_view& text, size_t width, size_t least) {
  int64_t value = 0;
  size_t taken = 0;
  while (taken < width && taken < text.size() && text[taken] >= '0' && text[taken] <= '9') {
    value = value * 10 + (text[taken++] - '0');
  }
  if (taken < least) return std::nullopt;
  text.remove_prefix(taken);
  return value;
}

// Digits after a decimal point as microseconds; finer ones are cut.
std::optional<int64_t> fraction(std::string_view& text) {
  const size_t before = text.size();
  const auto value = digits(text, 9, 1);
  if (!value) return std::nullopt;
  int64_t micros = *value;
  for (size_t taken = before - text.size(); taken < 6; ++taken) micros *= 10;
  for (size_t taken = before - text.size(); taken > 6; --taken) micros /= 10;
  return micros;
}

std::optional<int64_t> offset(std::string_view& text) {
  if (text.starts_with('Z')) {
    text.remove_prefix(1);
    return 0;
  }
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const int64_t sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = digits(text, 2, 2);
  if (text.starts_with(':')) text.remove_prefix(1);
  const auto minutes = digits(text, 2, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

std::optional<TimeUs> epoch(std::string_view text, int64_t unit_us) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto whole = digits(text, 17, 1);
  if (!whole || *whole > kTimeMax / unit_us) return std::nullopt;
  int64_t micros = *whole * unit_us;
  if (unit_us == kMicrosPerSecond && text.starts_with('.')) {
    text.remove_prefix(1);
    const auto part = fraction(text);
    if (!part) return std::nullopt;
    micros += *part;
  }
  if (!text.empty()) return std::nullopt;
  return negative ? -micros : micros;
}

struct Parts {
  CivilDate date{0, 1, 1};
  int64_t hour = 0, minute = 0, second = 0, micros = 0;
  std::optional<int64_t> offset_s;
};

bool take(std::string_view& text, char directive, Parts& parts) {
  const auto number = [&](size_t width, size_t least, auto& into) {
    const auto value = digits(text, width, least);
    if (value) into = static_cast<std::remove_reference_t<decltype(into)>>(*value);
    return value.has_value();
  };
  switch (directive) {
    case 'Y': return number(4, 4, parts.date.year);
    case 'm': return number(2, 2, parts.date.month);
    case 'd': return number(2, 2, parts.date.day);
    case 'e':
      if (text.starts_with(' ')) text.remove_prefix(1);
      return number(2, 1, parts.date.day);
    case 'H': return number(2, 2, parts.hour);
    case 'M': return number(2, 2, parts.minute);
    case 'S': return number(2, 2, parts.second);
    case 'f': {
      const auto micros = fraction(text);
      if (micros) parts.micros = *micros;
      return micros.has_value();
    }
    case 'z': parts.offset_s = offset(text); return parts.offset_s.has_value();
    case 'b':
      for (size_t i = 0; i < kMonths.size(); ++i) {
        if (!text.starts_with(kMonths[i])) continue;
        parts.date.month = static_cast<unsigned>(i + 1);
        text.remove_prefix(3);
        return true;
      }
      return false;
    default: return false;
  }
}

}  // namespace

Result<Zone> parse_zone(std::string_view text) {
  if (text == "local") return Zone{true, true, 0};
  std::string_view rest = text;
  const auto offset_s = offset(rest);
  if (!offset_s || !rest.empty()) {
    return Error{Code::kInvalid, ingest::quoted(text) + " is no zone: write local, Z or an offset such as +02:00"};
  }
  return Zone{false, true, *offset_s};
}

Result<void> check_time_format(std::string_view format, const Zone& zone) {
  if (format == "rfc3339" || format == "epoch_s" || format == "epoch_ms" || format == "epoch_us") return {};
  bool year = false, offset_in = false;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') continue;
    const char directive = ++i < format.size() ? format[i] : '\0';
    if (directive == 0 || std::string_view("YmdeHMSfzb%").find(directive) == std::string_view::npos) {
      return Error{Code::kInvalid, ingest::quoted(format) + ": only %Y %m %d %e %b %H %M %S %f %z and %% are known"};
    }
    year |= directive == 'Y';
    offset_in |= directive == 'z';
  }
  if (!year) {
    return Error{Code::kInvalid, ingest::quoted(format) +
                                     " is no time format: rfc3339, epoch_s, epoch_ms, epoch_us, or "
                                     "a pattern with a year such as %Y-%m-%d %H:%M:%S"};
  }
  if (!offset_in && !zone.given) {
    return Error{Code::kInvalid, ingest::quoted(format) + " has no %z: say which zone it means with \"zone\""};
  }
  return {};
}

std::optional<TimeUs> parse_time(std::string_view text, std::string_view format, const Zone& zone) {
  if (format == "rfc3339") {
    auto time = parse_rfc3339(text);
    return time.ok() ? std::optional<TimeUs>(*time) : std::nullopt;
  }
  if (format == "epoch_s") return epoch(text, kMicrosPerSecond);
  if (format == "epoch_ms") return epoch(text, 1000);
  if (format == "epoch_us") return epoch(text, 1);
  Parts parts;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '%' && i + 1 < format.size() && format[i + 1] != '%') {
      if (!take(text, format[++i], parts)) return std::nullopt;
      continue;
    }
    if (format[i] == '%') ++i;
    if (text.empty() || text.front() != format[i]) return std::nullopt;
    text.remove_prefix(1);
  }
  if (!text.empty() || !valid_date(parts.date) || parts.hour > 23 || parts.minute > 59 || parts.second > 59) {
    return std::nullopt;
  }
  int64_t seconds = days_from_civil(parts.date) * 86400 + parts.hour * 3600 + parts.minute * 60 + parts.second;
  if (!parts.offset_s && zone.local) {
    std::tm local{};
    local.tm_year = static_cast<int>(parts.date.year - 1900);
    local.tm_mon = static_cast<int>(parts.date.month) - 1;
    local.tm_mday = static_cast<int>(parts.date.day);
    local.tm_hour = static_cast<int>(parts.hour);
    local.tm_min = static_cast<int>(parts.minute);
    local.tm_sec = static_cast<int>(parts.second);
    local.tm_isdst = -1;  // an hour that exists twice is taken as the C library takes it
    seconds = std::mktime(&local);
  } else {
    seconds -= parts.offset_s.value_or(zone.offset_s);
  }
  return seconds * kMicrosPerSecond + parts.micros;
}

}  // namespace khipu::import
