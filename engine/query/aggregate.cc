// Engine::aggregate: one pass, then groups ranked, cut, and checked before they are shown.
#include "engine/query/aggregate.h"

#include <algorithm>

#include "engine/query/engine.h"
#include "engine/query/fields.h"
#include "engine/query/known_values.h"
#include "engine/query/pass.h"
#include "engine/query/posting_tally.h"
#include "engine/query/tally.h"

namespace khipu::query {
namespace {

constexpr size_t kKeysMax = 3;
constexpr size_t kGroupsMax = 2000;    // of one answer
constexpr size_t kBucketsMax = 2000;   // of time, in one answer
constexpr size_t kBucketsWanted = 60;  // of "auto", about
constexpr std::string_view kWeekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

QueryError invalid(std::string field, std::string_view got, std::string hint) {
  return {"INVALID_ARGUMENT", std::move(field), got, std::move(hint)};
}

bool asks(const std::vector<GroupKey>& keys, GroupBy by) {
  return std::any_of(keys.begin(), keys.end(), [by](const GroupKey& key) { return key.by == by; });
}

Answer<Tally::Plan> plan_of(const AggregateRequest& request, const registry::Schema& schema) {
  Tally::Plan plan;
  if (request.group_by.size() > kKeysMax) return invalid("group_by", "", "At most three keys.");
  for (const GroupKey& key : request.group_by) {
    if (std::count(request.group_by.begin(), request.group_by.end(), key) > 1) {
      return invalid("group_by", name(key), "Each key may be given once.");
    }
    if (key.by == GroupBy::kFlags && request.labels == nullptr) {
      return invalid("group_by", "flags", "Flags are given by the MCP server's renderer; here is none.");
    }
    plan.columns.push_back(0);
    if (key.by != GroupBy::kColumn) continue;
    const codec::ColumnSchema* column = schema.column(key.column);
    if (column == nullptr) {
      QueryError error("UNKNOWN_FIELD", "group_by", key.column, "The log has no custom column of that name.");
      for (const codec::ColumnSchema& known : schema.columns()) error.allowed.push_back("custom." + known.name);
      return error;
    }
    plan.columns.back() = column->id;
  }
  const bool distinct = request.metric == Metric::kDistinctActor || request.metric == Metric::kDistinctTarget;
  if (request.by_peak && distinct && !asks(request.group_by, GroupBy::kTime)) {
    return invalid("rank_by", "max_bucket", "Different ones in a bucket are counted when group_by holds time.");
  }
  if (request.previous && !(request.filter.from && request.filter.to)) {
    return invalid("compare", "previous", "The period before is known only for a window with both ends.");
  }
  if (request.top == 0) return invalid("top", "0", "At least one.");
  plan.group_by = request.group_by;
  plan.metric = request.metric;
  plan.axis = request.filter.axis;
  plan.labels = request.labels;
  plan.memory_bytes_max = request.memory_bytes_max;
  return plan;
}

// Between which times the rows held lie; frame times for what is not sealed.
Answer<std::optional<Period>> extent(const snapshot::Snapshot& snapshot, Axis axis) {
  std::optional<Period> found;
  const auto widen = [&](TimeUs least, TimeUs most) {
    found = found ? Period{std::min(found->from, least), std::max(found->to, most + 1)} : Period{least, most + 1};
  };
  for (const snapshot::SegmentInfo& segment : snapshot.segments(TableId::kLogs)) {
    if (segment.rows == 0) continue;
    if (const auto times = axis == Axis::kOccurred ? snapshot.occurred(segment) : snapshot.recorded(segment)) {
      widen(times->first, times->second);
    } else {
      const Row end{segment.first_row.value + segment.rows};
      KHIPU_TRY(snapshot.scan(TableId::kLogs, segment.first_row, end, snapshot::Order::kAscending,
                              [&](const snapshot::ScannedRow& row) {
                                if (row.fault == codec::FrameFault::kNone) widen(row.frame.time_us, row.frame.time_us);
                                return true;
                              }));
      if (axis == Axis::kRecorded && found) widen(snapshot.commit().time, snapshot.commit().time);
    }
  }
  return found;
}

// Which bucket of the window before stands for which of the window.
QueryError too_many_buckets(Interval interval) {
  return {"TOO_MANY_GROUPS", "interval", name(interval),
          "That makes more than 2,000 buckets: use a coarser interval or a narrower window."};
}
Answer<std::unordered_map<TimeUs, TimeUs>> twins(const Period& before, const Period& now, Buckets buckets) {
  std::unordered_map<TimeUs, TimeUs> twins;
  TimeUs there = before.from, here = now.from;
  while (there < before.to && here < now.to) {
    const Bucket old = buckets.of(there), current = buckets.of(here);
    twins.emplace(old.start, current.start);
    if (twins.size() > kBucketsMax) return too_many_buckets(buckets.interval());
    there = old.end;
    here = current.end;
  }
  return twins;
}

std::vector<Labels::OfVersion> label_versions(const snapshot::Snapshot& snapshot, uint64_t size, const Labels& labels) {
  std::vector<Labels::OfVersion> of(size);
  codec::VersionRecord version;
  // Damage leaves a version without labels: they are advice.
  (void)snapshot.scan(
      TableId::kRegistry, {0}, {size}, snapshot::Order::kAscending, [&](const snapshot::ScannedRow& row) {
        if (row.fault == codec::FrameFault::kNone && codec::decode_version(row.frame.payload, version).ok()) {
          of[row.row.value] = labels.of_version(version);
        }
        return true;
      });
  return of;
}

// Groups that differ in their bucket alone: [begin, end) of the sorted ones.
struct Series {
  size_t begin = 0, end = 0;
  uint64_t count = 0;
  int64_t score = 0;
  Row first_seq{UINT64_MAX};
};

bool same_series(const Tuple& a, const Tuple& b) { return std::equal(a.begin(), a.begin() + kBucketPlace, b.begin()); }

int64_t value_of(const Counted& group, Metric metric) {
  switch (metric) {
    case Metric::kCount: return static_cast<int64_t>(group.count);
    case Metric::kFirst: return group.count == 0 ? INT64_MIN : -group.first;
    case Metric::kLast: return group.count == 0 ? INT64_MIN : group.last;
    default: return static_cast<int64_t>(group.distinct);
  }
}

std::vector<Series> rank(std::vector<Counted>& groups, const Tally& tally, const AggregateRequest& request) {
  const auto start = [&](const Counted& group) {
    const uint32_t bucket = group.key[kBucketPlace];
    return bucket == 0 ? TimeUs{0} : tally.values(kBucketPlace).number(bucket);
  };
  std::sort(groups.begin(), groups.end(), [&](const Counted& a, const Counted& b) {
    if (!same_series(a.key, b.key)) return a.key < b.key;
    return start(a) < start(b);
  });
  const bool extreme = request.by_peak || request.metric == Metric::kFirst || request.metric == Metric::kLast;
  std::vector<Series> all;
  for (size_t i = 0; i < groups.size(); ++i) {
    const int64_t value = value_of(groups[i], request.metric);
    if (i == 0 || !same_series(groups[i - 1].key, groups[i].key)) {
      all.push_back({i, i, 0, value, groups[i].first_seq});
    } else {
      all.back().score = extreme ? std::max(all.back().score, value) : all.back().score + value;
    }
    all.back().end = i + 1;
    all.back().count += groups[i].count;
    all.back().first_seq = std::min(all.back().first_seq, groups[i].first_seq);
  }
  std::erase_if(all, [](const Series& series) { return series.count == 0; });  // of the period before alone
  std::sort(all.begin(), all.end(), [](const Series& a, const Series& b) {
    return a.score != b.score ? a.score > b.score : a.first_seq < b.first_seq;
  });
  return all;
}

// "2026-06-15T00:00:00.000000+01:00", so that a day's start looks like one.
std::string local_text(TimeUs time, const Zone& zone) {
  const int64_t ahead = zone.offset(time).ahead_us / kMicrosPerSecond;
  if (ahead == 0 || ahead % 60 != 0) return format_rfc3339(time);
  std::string text = format_rfc3339(time + ahead * kMicrosPerSecond);
  const int64_t minutes = ahead < 0 ? -ahead / 60 : ahead / 60;
  text.back() = ahead < 0 ? '-' : '+';
  for (const int64_t part : {minutes / 60, minutes % 60}) {
    text += part < 10 ? "0" + std::to_string(part) : std::to_string(part);
    if (text.size() < 30) text += ':';
  }
  return text;
}

// Reads a group's first record again, checked, and says its keys in words from it.
struct Checker {
  const snapshot::Snapshot& snapshot;
  Tally& tally;
  RecordReader& reader;
  Findings& findings;
  const AggregateRequest& request;
  const Zone& zone;
  codec::EventRecord event;
  std::vector<Tuple> keys;

  Result<bool> check(const Counted& counted, bool with_bucket, std::vector<GroupValue>& key) {
    const Row row = counted.first_seq;
    KHIPU_TRY_ASSIGN(const snapshot::CheckedRecord record, snapshot.record(TableId::kLogs, row));
    const auto fail = [&](std::string code, std::string where) {
      findings.add({std::move(code), TableId::kLogs, row, 1, std::move(where)});
      return false;
    };
    if (!record.intact) return fail(record.finding, record.where);
    const std::string where = "logs row " + std::to_string(row.value);
    if (!codec::decode_event(record.payload, event).ok()) return fail("leaf-mismatch", where);
    tally.read(event, keys);
    const bool there = std::any_of(keys.begin(), keys.end(), [&](const Tuple& tuple) {
      return same_series(tuple, counted.key) && (!with_bucket || tuple[kBucketPlace] == counted.key[kBucketPlace]);
    });
    if (!there) return fail("leaf-mismatch", where + ": it says something else than when it was counted");
    for (size_t place = 0; place < request.group_by.size(); ++place) {
      GroupValue value;
      const uint32_t id = counted.key[request.group_by[place].by == GroupBy::kTime ? kBucketPlace : place];
      if (!say(request.group_by[place].by, place, id, value)) return false;
      key.push_back(std::move(value));
    }
    return true;
  }

  bool say(GroupBy by, size_t place, uint32_t id, GroupValue& value) {
    if (id == 0) {
      value.none = true;
      return true;
    }
    const KeyValues& values = tally.values(by == GroupBy::kTime ? kBucketPlace : place);
    switch (by) {
      case GroupBy::kTime:
        value.time = values.number(id);
        value.text = local_text(*value.time, zone);
        return true;
      case GroupBy::kActionClass: value.text = codec::name(static_cast<codec::ActionClass>(values.number(id))); break;
      case GroupBy::kOutcome: value.text = codec::name(static_cast<codec::Outcome>(values.number(id))); break;
      case GroupBy::kHourOfDay: value.text = std::to_string(values.number(id)); break;
      case GroupBy::kWeekday: value.text = kWeekdays[static_cast<size_t>(values.number(id))]; break;
      case GroupBy::kFlags: value.text = request.labels->names[static_cast<size_t>(values.number(id))]; break;
      case GroupBy::kActor:
      case GroupBy::kTarget:
        return say_ref(by == GroupBy::kActor, Row{static_cast<uint64_t>(values.number(id))}, value);
      case GroupBy::kActorType:
      case GroupBy::kTargetType: return say_type(by == GroupBy::kActorType, values.text(id), value);
      default: value.text = values.text(id); break;
    }
    return true;
  }

  // What was pinned is checked by the reader, which adds its own findings.
  bool say_ref(bool actor, Row entity, GroupValue& value) {
    const auto is_it = [&](const codec::Pin& pin) { return pin.entity == entity; };
    const auto target = std::find_if(event.targets.begin(), event.targets.end(), is_it);
    if (!actor && target == event.targets.end()) return false;
    const EntityView view = reader.pinned(actor ? event.actor : *target);
    value.text = view.ref();
    return !view.missing;
  }
  bool say_type(bool actor, const std::string& type, GroupValue& value) {
    value.text = type;
    if (actor) return reader.pinned(event.actor).type == type;
    return std::any_of(event.targets.begin(), event.targets.end(),
                       [&](const codec::Pin& pin) { return reader.pinned(pin).type == type; });
  }
};

Group shown(const Counted& counted) {
  Group group;
  group.count = counted.count;
  group.first_seq = counted.first_seq;
  group.last_seq = counted.last_seq;
  group.first = counted.first;
  group.last = counted.last;
  group.distinct = counted.distinct;
  group.previous = counted.previous;
  return group;
}

// A series as one group, with its greatest bucket.
Group merged(const std::vector<Counted>& groups, const Series& series, const Tally& tally, bool by_peak,
             Counted& whole) {
  whole = groups[series.begin];
  Counted peak = whole;
  for (size_t i = series.begin + 1; i < series.end; ++i) {
    const Counted& one = groups[i];
    if (one.count > peak.count) peak = one;
    whole.count += one.count;
    whole.previous += one.previous;
    whole.first_seq = std::min(whole.first_seq, one.first_seq);
    whole.last_seq = std::max(whole.last_seq, one.last_seq);
    whole.first = std::min(whole.first, one.first);
    whole.last = std::max(whole.last, one.last);
  }
  Group group = shown(whole);
  if (by_peak) {
    group.peak = tally.values(kBucketPlace).number(peak.key[kBucketPlace]);
    group.peak_count = peak.count;
  }
  return group;
}

void note_edges(const AggregateRequest& request, Interval interval, const Zone& zone, std::vector<Note>& notes) {
  Buckets buckets(zone, interval);
  const auto cut = [&](const std::optional<TimeUs>& edge) { return edge && buckets.of(*edge).start != *edge; };
  if (cut(request.filter.from) || cut(request.filter.to)) {
    notes.push_back({"PARTIAL_BUCKETS", "The window begins or ends within a bucket: that one is not whole.", ""});
  }
}

// What the period before counted in groups, or by time in buckets, that this one has nothing in.
void note_elsewhere(uint64_t previous_total, const std::vector<Counted>& groups, const std::vector<Series>& ranked,
                    bool by_time, std::vector<Note>& notes) {
  uint64_t elsewhere = previous_total;
  for (const Series& series : ranked) {
    for (size_t i = series.begin; i < series.end; ++i) {
      if (!by_time || groups[i].count > 0) elsewhere -= groups[i].previous;
    }
  }
  if (elsewhere == 0) return;
  notes.push_back({"PREVIOUS_IN_OTHER",
                   "Of the period before, " + std::to_string(elsewhere) +
                       " fell into groups or buckets that have nothing in this one: they are counted in other alone. "
                       "Ask for that period by itself to see them.",
                   ""});
}

}  // namespace

Answer<Aggregate> Engine::aggregate(const AggregateRequest& request) {
  KHIPU_TRY(check_filter(request.filter));
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  KHIPU_TRY_ASSIGN(const Zone zone, Zone::find(request.tz));
  KHIPU_TRY_ASSIGN(Tally::Plan plan, plan_of(request, snapshot->schema()));
  KHIPU_TRY_ASSIGN(std::optional<Interval> interval, interval_of(request.interval));

  Aggregate out;
  out.server_time = now_();
  out.as_of = query::as_of(*snapshot);
  out.group_by = request.group_by;
  Filter filter = request.filter;
  if (request.previous) {
    KHIPU_TRY_ASSIGN(const Period before, previous_period(*filter.from, *filter.to, request.tz));
    out.previous_from = before.from;
    out.previous_to = before.to;
    plan.from = filter.from;
    filter.from = before.from;
  }
  const bool by_time = asks(request.group_by, GroupBy::kTime);
  if (by_time || request.by_peak) {
    if (!interval) {
      KHIPU_TRY_ASSIGN(const std::optional<Period> held, extent(*snapshot, filter.axis));
      const Period window{request.filter.from.value_or(held ? held->from : 0),
                          request.filter.to.value_or(held ? held->to : 0)};
      interval = interval_for(window.from, std::max(window.from, window.to), kBucketsWanted);
    }
    plan.buckets = interval;
    out.interval = name(*interval);
    if (request.previous && by_time) {
      KHIPU_TRY_ASSIGN(plan.twins, twins({*out.previous_from, *out.previous_to},
                                         {*request.filter.from, *request.filter.to}, Buckets(zone, *interval)));
    }
  }
  if (asks(request.group_by, GroupBy::kFlags)) {
    plan.version_labels = label_versions(*snapshot, out.as_of.registry_size, *request.labels);
  }
  const bool by_type = asks(request.group_by, GroupBy::kActorType) || asks(request.group_by, GroupBy::kTargetType);
  if (by_type) KHIPU_TRY(entities_.extend(*snapshot));
  EventPage page;
  KHIPU_TRY_ASSIGN(const Matcher matcher, prepare(*snapshot, filter, out.as_of, page));
  out.applied = std::move(page.applied);
  redact(out.applied, snapshot->schema());
  out.applied.from = request.filter.from;
  out.coverage = page.coverage;
  out.notes = std::move(page.notes);

  Findings findings;
  report_registry(filter, out.as_of, findings, by_type);
  const bool by_index = PostingTally::can(plan);
  Tally tally(std::move(plan), zone, entities_);
  tally.show_as(matcher);
  Pass pass(*snapshot, matcher, out.as_of.tree_size, false, request.stop, findings);
  bool fits = true;
  const auto add = [&](Row row, const codec::EventRecord& event) { return fits = tally.add(row, event); };
  if (by_index) {
    PostingTally postings(tally, request.group_by[0].by, filter.axis, fits);
    KHIPU_TRY(pass.run_parts(
        [&](const snapshot::Part& part, const index::RowSet* rows) -> Result<std::optional<index::RowSet>> {
          KHIPU_TRY_ASSIGN(index::RowSet by_record, postings.add(part, rows));
          return fits ? std::optional(std::move(by_record)) : std::nullopt;
        },
        add));
    KHIPU_TRY_ASSIGN(const std::vector<PostingTally::Failed> failed, postings.finish());
    const auto end_at = [&](Row row, const codec::EventRecord& event) {
      postings.end_at(row, event);
      return true;
    };
    for (const PostingTally::Failed& one : failed) KHIPU_TRY(pass.run_records(one.part, one.error, end_at));
  } else {
    KHIPU_TRY(pass.run(add));
  }
  matcher.tell_met(out.notes);
  if (!fits) {
    return QueryError("TOO_MANY_GROUPS", "group_by", "",
                      "These keys make more groups than can be counted at once (" +
                          std::to_string(tally.groups().size()) +
                          " so far): narrow the window or the filter, or use fewer keys or a coarser interval.");
  }
  if (tally.values(kBucketPlace).size() > kBucketsMax) return too_many_buckets(*interval);
  out.scanned = pass.scanned;
  out.events = tally.events();
  out.total = tally.total();
  out.previous_total = tally.previous_total();
  out.total_is_lower_bound = pass.damage;

  RecordReader reader(*snapshot, out.as_of.registry_size, findings);
  Checker checker{*snapshot, tally, reader, findings, request, zone, {}, {}};
  std::vector<Counted> groups = tally.groups();
  const std::vector<Series> ranked = rank(groups, tally, request);
  out.other_previous = out.previous_total;
  out.other_count = out.total;
  uint64_t all_groups = 0;
  size_t shown_series = 0;
  bool room = true;
  for (const Series& series : ranked) {
    const size_t buckets =
        by_time ? static_cast<size_t>(std::count_if(groups.begin() + static_cast<ptrdiff_t>(series.begin),
                                                    groups.begin() + static_cast<ptrdiff_t>(series.end),
                                                    [](const Counted& group) { return group.count > 0; }))
                : 1;
    all_groups += buckets;
    room = room && (out.groups.empty() || out.groups.size() + buckets <= kGroupsMax);
    if (shown_series >= request.top || !room) continue;
    ++shown_series;
    for (size_t i = series.begin; i < (by_time ? series.end : series.begin + 1); ++i) {
      Counted counted = groups[i];
      if (by_time && counted.count == 0) continue;
      Group group = by_time ? shown(counted) : merged(groups, series, tally, request.by_peak, counted);
      KHIPU_TRY_ASSIGN(const bool intact, checker.check(counted, by_time, group.key));
      KHIPU_TRY(reader.failed());
      if (!intact) {
        ++out.unshown;
        out.buckets_complete = false;
        continue;
      }
      out.other_count -= group.count;
      out.other_previous -= group.previous;
      out.groups.push_back(std::move(group));
    }
  }
  out.other_groups = all_groups - out.groups.size();
  if (out.total == 0 && !out.total_is_lower_bound) {
    note_nearest_known(*snapshot, filter, entities_, out.as_of.registry_size, request.stop, out.notes);
  }
  note_elsewhere(out.previous_total, groups, ranked, by_time, out.notes);
  if (by_time) note_edges(request, *interval, zone, out.notes);
  if (out.total != out.events) {
    out.notes.push_back({"COUNTED_BY_KEY",
                         "An event counts once for each target, type or flag it has: total is more than events.", ""});
  }
  if (!room) out.notes.push_back({"GROUPS_CUT", "Fewer series than top: an answer has at most 2,000 groups.", ""});
  out.coverage.complete = out.coverage.complete && !pass.damage && out.unshown == 0;
  out.findings = findings.list();
  out.findings_total = findings.total();
  return out;
}

}  // namespace khipu::query
