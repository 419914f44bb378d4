// The words of aggregate.h, and the period before a window.
#include <algorithm>
#include <iterator>

#include "engine/query/aggregate.h"
#include "engine/query/near.h"
#include "engine/query/zone.h"

namespace khipu::query {
namespace {

constexpr std::string_view kKeys[] = {"time",      "actor",       "actor_type",  "action", "action_class",
                                      "outcome",   "target",      "target_type", "url",    "source",
                                      "source_ip", "hour_of_day", "weekday",     "flags"};
constexpr std::string_view kColumnPrefix = "custom.";
constexpr std::string_view kMetrics[] = {"count", "distinct:actor", "distinct:target", "first", "last"};

QueryError unknown(std::string argument, std::string_view word, std::vector<std::string> allowed) {
  QueryError error("UNKNOWN_VALUE", std::move(argument), word, "Not a word this argument knows.");
  error.did_you_mean = nearest(word, allowed);
  error.allowed = std::move(allowed);
  return error;
}

}  // namespace

Answer<GroupKey> group_key(std::string_view word) {
  if (word.starts_with(kColumnPrefix) && word.size() > kColumnPrefix.size()) {
    return GroupKey{GroupBy::kColumn, std::string(word.substr(kColumnPrefix.size()))};
  }
  const auto found = std::find(std::begin(kKeys), std::end(kKeys), word);
  if (found != std::end(kKeys)) return GroupKey{static_cast<GroupBy>(found - std::begin(kKeys)), {}};
  std::vector<std::string> allowed(std::begin(kKeys), std::end(kKeys));
  allowed.emplace_back("custom.COLUMN");
  return unknown("group_by", word, std::move(allowed));
}

std::string name(const GroupKey& key) {
  if (key.by == GroupBy::kColumn) return std::string(kColumnPrefix) + key.column;
  return std::string(kKeys[static_cast<size_t>(key.by)]);
}

Answer<Metric> metric(std::string_view word) {
  const auto found = std::find(std::begin(kMetrics), std::end(kMetrics), word);
  if (found != std::end(kMetrics)) return static_cast<Metric>(found - std::begin(kMetrics));
  return unknown("metric", word, {std::begin(kMetrics), std::end(kMetrics)});
}

std::string_view name(Metric metric) { return kMetrics[static_cast<size_t>(metric)]; }

Answer<Period> previous_period(TimeUs from, TimeUs to, std::string_view tz) {
  KHIPU_TRY_ASSIGN(const Zone zone, Zone::find(tz));
  const CivilDate first = zone.local(from).date, end = zone.local(to).date;
  if (zone.start_of_day(first) != from || zone.start_of_day(end) != to) return Period{from - (to - from), from};
  if (first.day == 1 && end.day == 1) {
    const auto months = [](const CivilDate& date) { return date.year * 12 + static_cast<int64_t>(date.month) - 1; };
    const int64_t before = 2 * months(first) - months(end);
    const int64_t year = before / 12;
    return Period{zone.start_of_day({year, static_cast<unsigned>(before - year * 12) + 1, 1}), from};
  }
  return Period{zone.start_of_day(civil_from_days(2 * days_from_civil(first) - days_from_civil(end))), from};
}

}  // namespace khipu::query
