#include "engine/retention/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace khipu::retention {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

Result<uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units, uint64_t most,
                                 std::string_view forms) {
  const auto refuse = [&] {
    return Error{Code::kInvalid, fmt::format("wanted is {}, at least 1 and at most {}", forms, most)};
  };
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return refuse();
  const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const Unit& unit : units) {
    if (rest != unit.name) continue;
    if (value == 0 || value > most / unit.factor) return refuse();
    return value * unit.factor;
  }
  return refuse();
}

uint64_t size_of(const snapshot::SegmentInfo& segment) {
  return segment.sealed ? segment.file_size : segment.end_offset;
}

// How many segments from the front the policy asks for, by each of its limits.
struct Wanted {
  size_t by_age = 0, by_bytes = 0;
  size_t all() const { return std::max(by_age, by_bytes); }
};

Wanted wanted(const Policy& policy, const Situation& situation, uint64_t held_bytes) {
  Wanted count;
  const std::vector<snapshot::SegmentInfo>& all = situation.segments;
  if (policy.max_age_s) {
    // Strictly older than the age allows. recorded_at never falls, so the first that is young enough ends it.
    const TimeUs oldest = situation.now - static_cast<TimeUs>(*policy.max_age_s * 1000000);
    while (count.by_age < all.size() && all[count.by_age].sealed && all[count.by_age].recorded_last < oldest) {
      ++count.by_age;
    }
  }
  if (policy.max_bytes) {
    while (count.by_bytes < all.size() && all[count.by_bytes].sealed && held_bytes > *policy.max_bytes) {
      held_bytes -= size_of(all[count.by_bytes]);
      ++count.by_bytes;
    }
  }
  return count;
}

}  // namespace

std::string text(const Policy& policy) {
  std::string text;
  if (policy.max_age_s) text = fmt::format("max-age {} s", *policy.max_age_s);
  if (policy.max_bytes) text += fmt::format("{}max-bytes {}", text.empty() ? "" : ", ", *policy.max_bytes);
  return text;
}

Result<uint64_t> parse_age(std::string_view text) {
  static constexpr std::array<Unit, 6> kUnits = {
      {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}}};
  return parse_with_unit(text, kUnits, kMaxAgeS, "a whole number with s, m, h, d or w (seconds without one)");
}

Result<uint64_t> parse_bytes(std::string_view text) {
  static constexpr std::array<Unit, 5> kUnits = {
      {{"", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}}};
  return parse_with_unit(text, kUnits, kMaxBytes, "a whole number with KiB, MiB, GiB or TiB (bytes without one)");
}

Situation look(const snapshot::Snapshot& snapshot, TableId table, TimeUs now) {
  Situation situation;
  situation.table = table;
  situation.segments = snapshot.segments(table);
  for (const snapshot::SegmentInfo& segment : snapshot.segments(TableId::kLogs)) {
    if (segment.sealed) situation.anchor = segment.commit;
  }
  for (const auto& [name, hold] : snapshot.meta().holds()) situation.holds.push_back(name);
  situation.clock_stepped = snapshot.meta().clock_step().has_value();
  situation.now = now;
  return situation;
}

Plan make_plan(const Policy& policy, const Situation& situation) {
  Plan plan;
  plan.table = situation.table;
  plan.policy = policy;
  for (const snapshot::SegmentInfo& segment : situation.segments) plan.held_bytes += size_of(segment);
  if (situation.table != TableId::kLogs && situation.table != TableId::kAccess) return plan;  // never purged
  Wanted count = wanted(policy, situation, plan.held_bytes);
  if (count.by_age > 0 && situation.clock_stepped) {
    count.by_age = 0;
    plan.kept_because.emplace_back(
        "the wall clock was stepped (CLOCK statement): retention by age is suspended until it is cleared");
  }
  if (count.all() > 0 && situation.table == TableId::kLogs && !situation.holds.empty()) {
    count = {};
    for (const std::string& name : situation.holds) plan.kept_because.push_back("hold \"" + name + "\" is set");
  }
  size_t leaving = 0;
  const auto stays = [&](const snapshot::SegmentInfo& segment) {
    if (!situation.anchor) return true;
    return situation.table == TableId::kLogs ? segment.commit >= *situation.anchor : segment.commit > *situation.anchor;
  };
  while (leaving < count.all() && !stays(situation.segments[leaving])) ++leaving;
  if (leaving < count.all()) {
    plan.kept_because.emplace_back("the newest sealed segment of logs stays: recovery starts there when HEAD is lost");
  }
  for (size_t i = 0; i < leaving; ++i) {
    const snapshot::SegmentInfo& segment = situation.segments[i];
    plan.going.push_back({segment, i < count.by_age, i < count.by_bytes});
    plan.rows += segment.rows;
    plan.bytes += size_of(segment);
  }
  // A statement ends with a row: segments without any behind it leave later.
  while (!plan.going.empty() && plan.going.back().segment.rows == 0) {
    plan.bytes -= size_of(plan.going.back().segment);
    plan.going.pop_back();
  }
  return plan;
}

}  // namespace khipu::retention
