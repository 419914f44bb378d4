// What may leave a table, and why: a plan. Pure; it deletes nothing (engine/writer/retainer.h carries plans out).
//
// Whole sealed segments, oldest first, of logs/ and access/ alone, each with a policy of its own. Age is counted on
// recorded_at, so an event whose own time lies in the far future pins nothing. A hold forbids all retention of logs/. A
// wall clock that was stepped suspends retention by age until an operator clears it. The newest sealed segment of logs/
// and what was sealed behind it stay: recovery starts there when HEAD is lost.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/snapshot/store.h"

namespace khipu::retention {

// Either limit triggers; none: everything is kept.
struct Policy {
  std::optional<uint64_t> max_age_s;
  std::optional<uint64_t> max_bytes;  // of the table's segments, the active one included
  bool empty() const { return !max_age_s && !max_bytes; }
  bool operator==(const Policy&) const = default;
};
inline constexpr uint64_t kMaxAgeS = 100ULL * 366 * 86400;
inline constexpr uint64_t kMaxBytes = 1ULL << 60;
std::string text(const Policy& policy);  // "max-age 2592000 s, max-bytes 1073741824"; "" for none
// "90s" "15m" "12h" "30d" "52w", or whole seconds; 1 second to 100 years.
Result<uint64_t> parse_age(std::string_view text);
// "1000000", or with KiB, MiB, GiB, TiB.
Result<uint64_t> parse_bytes(std::string_view text);

// What a plan is made from.
struct Situation {
  TableId table = TableId::kLogs;
  std::vector<snapshot::SegmentInfo> segments;  // retained, oldest first, the active one last
  std::optional<CommitNumber> anchor;           // of the newest sealed segment of logs/
  std::vector<std::string> holds;               // names of those that are set
  bool clock_stepped = false;
  TimeUs now = 0;  // the writer's wall clock
};
Situation look(const snapshot::Snapshot& snapshot, TableId table, TimeUs now);

struct Going {
  snapshot::SegmentInfo segment;
  bool by_age = false, by_bytes = false;
};
struct Plan {
  TableId table = TableId::kLogs;
  Policy policy;
  std::vector<Going> going;  // oldest first, without a gap; may be empty
  uint64_t rows = 0, bytes = 0;
  uint64_t held_bytes = 0;  // of all segments, before
  // Why less leaves than the policy alone would have it; sentences for people, hold names quoted as given.
  std::vector<std::string> kept_because;

  bool empty() const { return going.empty(); }
  Row from() const { return going.front().segment.first_row; }
  Row to() const { return {going.back().segment.first_row.value + going.back().segment.rows}; }
};
Plan make_plan(const Policy& policy, const Situation& situation);

}  // namespace khipu::retention
