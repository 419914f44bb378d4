// Counting: what an aggregate asks and answers. Groups and `other` add up to the total, whatever was cut.
//
// Counts are of rows met by CRC, like every total. A key shown as a group was read again from the group's first record,
// checked leaf to signed root (P5); a group whose record fails that is counted in `other` and is a finding.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/query/rows.h"

namespace khipu::query {

enum class GroupBy : uint8_t {
  kTime,
  kActor,
  kActorType,
  kAction,
  kActionClass,
  kOutcome,
  kTarget,
  kTargetType,
  kUrl,  // as stored
  kSource,
  kSourceIp,
  kHourOfDay,
  kWeekday,
  kFlags,
  kColumn
};
struct GroupKey {
  GroupBy by = GroupBy::kAction;
  std::string column;  // kColumn
  bool operator==(const GroupKey&) const = default;
};
// "actor", "hour_of_day", "custom.tenant"; UNKNOWN_VALUE otherwise.
Answer<GroupKey> group_key(std::string_view word);
std::string name(const GroupKey& key);

enum class Metric : uint8_t { kCount, kDistinctActor, kDistinctTarget, kFirst, kLast };
Answer<Metric> metric(std::string_view word);  // "count" "distinct:actor" "distinct:target" "first" "last"
std::string_view name(Metric metric);

// What kFlags groups by: bits that a caller gives to events and to entity versions; an event has those of its actor's
// and targets' pinned versions too. Where text is judged is for the caller to know.
struct Labels {
  std::vector<std::string> names;  // of bits, from the lowest
  std::function<uint16_t(const codec::EventRecord&)> of_event;
  struct OfVersion {
    uint16_t as_actor = 0, as_target = 0;
  };
  std::function<OfVersion(const codec::VersionRecord&)> of_version;
};

struct AggregateRequest {
  Filter filter;
  std::vector<GroupKey> group_by;  // at most 3, each once; none: everything is one group
  std::string interval;            // of kTime, and of max_bucket: a word of buckets.h; empty is "auto"
  std::string tz;                  // of buckets, hours and weekdays; empty: UTC
  Metric metric = Metric::kCount;
  uint32_t top = 20;      // series: groups without their time
  bool by_peak = false;   // rank by the greatest bucket, not by the sum
  bool previous = false;  // count the period before, too: needs both ends of the window
  const Labels* labels = nullptr;
  size_t memory_bytes_max = size_t{96} << 20;  // for groups while counting: TOO_MANY_GROUPS
  std::stop_token stop;
};

struct GroupValue {
  bool none = false;  // the event names none
  std::string text;   // raw log text for kAction, kUrl, kSource, kSourceIp, kColumn, and refs; else our word or number
  std::optional<TimeUs> time;  // kTime: the bucket's start
};
struct Group {
  std::vector<GroupValue> key;  // by group_by
  uint64_t count = 0;
  Row first_seq, last_seq;
  TimeUs first = 0, last = 0;  // least and greatest time, on the filter's axis
  uint64_t distinct = 0;       // of kDistinct...
  uint64_t previous = 0;       // in the period before; by time: in the bucket at the same place of it
  std::optional<TimeUs> peak;  // with by_peak and without kTime: the greatest bucket ...
  uint64_t peak_count = 0;     // ... and what is in it
};

struct Aggregate {
  AsOf as_of;
  TimeUs server_time = 0;
  Filter applied;
  Coverage coverage;
  std::vector<GroupKey> group_by;
  // What is counted: an event counts once for each different key it has, so with kTarget, kTargetType or kFlags the
  // total may be more than the events.
  uint64_t total = 0;
  uint64_t events = 0;
  bool total_is_lower_bound = false;  // damaged rows could not be counted
  std::vector<Group> groups;          // series by rank, the buckets of each in order of time
  uint64_t other_groups = 0, other_count = 0, other_previous = 0;
  uint64_t unshown = 0;          // groups whose first record failed its check: in `other`, see findings
  std::string interval;          // that ran; empty when no time was asked for
  bool buckets_complete = true;  // no bucket of a shown series was left out: one not listed has nothing in it
  std::optional<TimeUs> previous_from, previous_to;
  uint64_t previous_total = 0;
  std::vector<Finding> findings;
  uint64_t findings_total = 0;
  std::vector<Note> notes;
  uint64_t scanned = 0;
};

// The period before [from, to): as many whole months or days when it is made of them in `tz`, else as long.
struct Period {
  TimeUs from = 0, to = 0;
};
Answer<Period> previous_period(TimeUs from, TimeUs to, std::string_view tz);

}  // namespace khipu::query
