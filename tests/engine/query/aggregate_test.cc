// Counting beside an oracle that counts by hand; calendars; what is shown was checked.
#include <algorithm>
#include <random>
#include <set>

#include "engine/base/time.h"
#include "engine/index/columns.h"
#include "engine/index/format.h"
#include "engine/query/buckets.h"
#include "tests/engine/query/test_log.h"
#include "tests/support/thorough.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

constexpr int64_t kDayUs = 86'400'000'000;

TimeUs at(std::string_view text) { return parse_rfc3339(text).value(); }

AggregateRequest by(const std::vector<std::string>& words) {
  AggregateRequest request;
  for (const std::string& word : words) request.group_by.push_back(good(group_key(word)));
  return request;
}

std::vector<std::string> words(const Group& group) {
  std::vector<std::string> out;
  for (const GroupValue& value : group.key) out.push_back(value.none ? "(none)" : value.text);
  return out;
}

uint64_t sum(const Aggregate& answer) {
  uint64_t sum = answer.other_count;
  for (const Group& group : answer.groups) sum += group.count;
  return sum;
}

struct Told {  // an event as the oracle remembers it
  Spec spec;
  std::string hour;
};

using Keys = std::vector<std::string>;

std::string or_none(const std::string& text) { return text.empty() ? "(none)" : text; }

// Every different key an event has, the slow way.
std::set<Keys> keys_of(const Told& told, const std::vector<std::string>& by) {
  const Spec& spec = told.spec;
  std::set<Keys> all;
  std::vector<Thing> targets = spec.targets;
  const bool by_target = std::any_of(by.begin(), by.end(), [](const auto& word) { return word.starts_with("target"); });
  if (targets.empty() || !by_target) targets = {Thing{"", "", {}, false}};
  for (const Thing& target : targets) {
    Keys key;
    for (const std::string& word : by) {
      std::string value;
      if (word == "time") value = told.hour;
      if (word == "actor") value = spec.actor.type + ":" + spec.actor.id;
      if (word == "actor_type") value = spec.actor.type;
      if (word == "action") value = spec.action;
      if (word == "action_class") value = codec::name(spec.action_class);
      if (word == "outcome") value = codec::name(spec.outcome);
      if (word == "target" && !target.id.empty()) value = target.type + ":" + target.id;
      if (word == "target_type") value = target.type;
      if (word == "url") value = spec.url;
      if (word == "source") value = spec.source;
      if (word == "hour_of_day") value = std::to_string(std::stoi(told.hour.substr(11, 2)));
      if (word == "custom.cost" && spec.custom.contains("cost")) value = spec.custom.at("cost").as_text();
      key.push_back(or_none(value));
    }
    all.insert(key);
  }
  return all;
}

struct Expected {
  uint64_t count = 0, first_seq = UINT64_MAX, last_seq = 0;
  std::set<std::string> actors, targets;
};

void check_random(TestLog& log, const std::vector<Told>& events, std::mt19937_64& random) {
  const std::vector<std::string> all = {"time",   "actor",       "actor_type", "action", "action_class", "outcome",
                                        "target", "target_type", "url",        "source", "hour_of_day",  "custom.cost"};
  std::vector<std::string> group_by;
  for (uint64_t keys = random() % 4; keys > 0; --keys) {
    const std::string& word = all[random() % all.size()];
    if (std::find(group_by.begin(), group_by.end(), word) == group_by.end()) group_by.push_back(word);
  }
  AggregateRequest request = by(group_by);
  request.interval = "1h";
  request.top = 1 + static_cast<uint32_t>(random() % 40);
  request.metric = static_cast<Metric>(random() % 3);
  if (random() % 2 == 0) request.filter.where.actions = {"GET"};
  if (random() % 4 == 0) request.filter.where.text = "FOX";
  if (random() % 4 == 0) request.filter.where_not.sources = {"web"};
  if (random() % 3 == 0) request.filter.from = kStart + static_cast<TimeUs>(random() % 20) * 600'000'000;
  if (random() % 3 == 0) request.filter.to = kStart + static_cast<TimeUs>(21 + random() % 20) * 600'000'000;

  std::map<Keys, Expected> expected;
  uint64_t total = 0, matching = 0;
  for (uint64_t seq = 0; seq < events.size(); ++seq) {
    const Spec& spec = events[seq].spec;
    const Filter& filter = request.filter;
    if (!filter.where.actions.empty() && spec.action != "GET") continue;
    if (!filter.where.text.empty() && spec.text.find("fox") == std::string::npos) continue;
    if (!filter.where_not.sources.empty() && spec.source == "web") continue;
    if ((filter.from && *spec.time < *filter.from) || (filter.to && *spec.time >= *filter.to)) continue;
    ++matching;
    for (const Keys& key : keys_of(events[seq], group_by)) {
      ++total;
      Expected& group = expected[key];
      ++group.count;
      group.first_seq = std::min(group.first_seq, seq);
      group.last_seq = seq;
      group.actors.insert(spec.actor.type + ":" + spec.actor.id);
      for (const Thing& target : spec.targets) group.targets.insert(target.type + ":" + target.id);
    }
  }
  const Aggregate answer = good(log.engine().aggregate(request));
  REQUIRE(answer.findings_total == 0);
  REQUIRE(answer.events == matching);
  REQUIRE(answer.total == total);
  REQUIRE(sum(answer) == total);
  REQUIRE(answer.groups.size() + answer.other_groups == expected.size());
  std::set<Keys> seen;
  for (const Group& group : answer.groups) {
    const Keys key = words(group);
    INFO("group " << (key.empty() ? "" : key[0]));
    REQUIRE(seen.insert(key).second);
    REQUIRE(expected.contains(key));
    const Expected& is = expected[key];
    REQUIRE(group.count == is.count);
    REQUIRE(group.first_seq.value == is.first_seq);
    REQUIRE(group.last_seq.value == is.last_seq);
    if (request.metric == Metric::kDistinctActor) REQUIRE(group.distinct == is.actors.size());
    if (request.metric == Metric::kDistinctTarget) REQUIRE(group.distinct == is.targets.size());
  }
  if (std::find(group_by.begin(), group_by.end(), "time") != group_by.end() || request.metric != Metric::kCount) return;
  // Nothing in `other` outranks what is shown.
  REQUIRE(answer.groups.size() == std::min<size_t>(request.top, expected.size()));
  for (const auto& [key, is] : expected) {
    if (!seen.contains(key)) REQUIRE(is.count <= answer.groups.back().count);
  }
}

}  // namespace

TEST_CASE("aggregate: random groups over a random log are what counting by hand gives, through seals and restarts") {
  const uint64_t seed = GENERATE(11ULL, 12ULL, 13ULL);
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  TestLog log(6000);
  log.clock().advance_us(kDayUs);
  std::vector<Told> events;
  const auto pick = [&](std::vector<std::string> from) { return from[random() % from.size()]; };
  for (int round = 0; round < 6; ++round) {
    for (int batch = 0; batch < 8; ++batch) {
      std::vector<Spec> specs;
      for (uint64_t i = 1 + random() % 9; i > 0; --i) {
        Spec spec;
        spec.time = kStart + static_cast<TimeUs>(random() % 40) * 600'000'000 - 3'600'000'000;
        spec.actor = {random() % 3 == 0 ? "service" : "user", "u" + std::to_string(random() % 7), {}, false};
        spec.action = pick({"GET", "PUT", "get"});
        spec.action_class = static_cast<codec::ActionClass>(random() % 9);
        spec.outcome = static_cast<codec::Outcome>(random() % 4);
        std::set<std::string> met;
        for (uint64_t t = random() % 3; t > 0; --t) {
          const std::string id = "d" + std::to_string(random() % 5);
          if (met.insert(id).second)
            spec.targets.push_back(random() % 2 == 0 ? doc(id) : Thing{"resource", id, {}, false});
        }
        spec.url = pick({"", "/a", "/b?x=1"});
        spec.source = pick({"", "web", "billing"});
        spec.text = pick({"", "a fox", "no"});
        if (random() % 2 == 0)
          spec.custom["cost"] = OwnedValue(codec::Value::of_integer(static_cast<int64_t>(random() % 3)));
        specs.push_back(spec);
      }
      log.add(specs);
      for (const Spec& spec : specs) {
        events.push_back({spec, format_rfc3339(*spec.time).substr(0, 14) + "00:00.000000Z"});
      }
    }
    if (round % 2 == 1) log.restart();
    for (int question = 0; question < 40; ++question) check_random(log, events, random);
  }
}

TEST_CASE(
    "aggregate: groups and entities of a log in order end with their newest event, also where an index fails at the "
    "last") {
  constexpr TimeUs kStep = TimeUs{1} << 38;  // so wide that the times of a segment take more than one block
  TestLog log(1 << 20);
  std::vector<Spec> events;
  const auto sealed = [&] { return log.store().snapshot().value()->segments(TableId::kLogs).size() - 1; };
  uint64_t leaves_at = UINT64_MAX;  // from there on u-gone is seen no more
  while (sealed() < 2) {
    std::vector<Spec> specs;
    for (int i = 0; i < 200; ++i) {
      const uint64_t seq = events.size();
      Spec spec;
      spec.time = kStart - 60000 * kStep + static_cast<TimeUs>(seq) * kStep;
      spec.actor = user(seq % 5 == 0 && seq < leaves_at ? "u-gone" : seq % 2 == 0 ? "u-a" : "u-b");
      if (seq % 3 != 0) spec.targets.push_back(doc(seq % 7 == 0 ? "d-1" : "d-2"));
      specs.push_back(spec);
      events.push_back(spec);
    }
    log.add(specs);
    const auto snapshot = log.store().snapshot().value();
    const auto& segments = snapshot->segments(TableId::kLogs);
    if (segments[0].sealed) leaves_at = segments[0].rows + segments[0].rows * 9 / 10;
  }
  log.wait_until_indexed();
  const auto second = log.store().snapshot().value()->segments(TableId::kLogs)[1];
  uint64_t last_seen = 0;
  for (uint64_t seq = 0; seq < events.size(); ++seq) {
    if (events[seq].actor.id == "u-gone") last_seen = seq;
  }
  REQUIRE(last_seen > second.first_row.value);
  REQUIRE(last_seen < second.first_row.value + second.rows);
  const auto check = [&](Engine& engine, const std::string& word, Axis axis) {
    AggregateRequest request = by({word});
    request.filter.axis = axis;
    const Aggregate answer = good(engine.aggregate(request));
    CHECK(answer.total == events.size());
    CHECK(answer.groups.size() == 3);
    for (const Group& group : answer.groups) {
      uint64_t count = 0, first = UINT64_MAX, last = 0;
      for (uint64_t seq = 0; seq < events.size(); ++seq) {
        const Spec& spec = events[seq];
        const std::string value = word == "actor"        ? "user:" + spec.actor.id
                                  : spec.targets.empty() ? "(none)"
                                                         : "doc:" + spec.targets[0].id;
        if (value != words(group)[0]) continue;
        ++count;
        first = std::min(first, seq);
        last = seq;
      }
      INFO(words(group)[0]);
      CHECK(group.count == count);
      CHECK(group.first_seq.value == first);
      CHECK(group.last_seq.value == last);
      if (axis == Axis::kOccurred) CHECK(group.first == *events[first].time);
      if (axis == Axis::kOccurred) CHECK(group.last == *events[last].time);
    }
    return answer.findings_total;
  };
  const auto look = [&](Engine& engine) {
    uint64_t findings = 0;
    for (const std::string id : {"u-gone", "u-a"}) {
      FindRequest request;
      request.text = "user:" + id;
      const FoundEntities found = good(engine.find(request));
      REQUIRE(found.entities.size() == 1);
      uint64_t count = 0;
      std::optional<TimeUs> first, last;
      for (const Spec& spec : events) {
        if (spec.actor.id != id) continue;
        ++count;
        if (!first) first = spec.time;
        last = spec.time;
      }
      CHECK(found.entities[0].events == count);
      CHECK(found.entities[0].first_seen == first);
      CHECK(found.entities[0].last_seen == last);
      findings += found.findings_total;
    }
    return findings;
  };
  CHECK(look(log.engine()) == 0);
  for (const Axis axis : {Axis::kOccurred, Axis::kRecorded}) {
    CHECK(check(log.engine(), "actor", axis) == 0);
    CHECK(check(log.engine(), "target", axis) == 0);
  }
  // Where the second index tells the time of a row near its end: in another block than the groups' counts.
  const std::string path = "root/logs/" + index::index_name(second.number);
  Buffer bytes = log.disk().read(path);
  const uint64_t body = index::body_size(bytes.size()).value();
  const auto header = index::parse_header(Bytes(bytes).first(index::kHeaderSize), body).value();
  const uint64_t place = header.sections[index::kTimes + 1] - index::kColumnSlack - 1;
  REQUIRE(place / index::kBlockSize > header.sections[index::kPages + 1] / index::kBlockSize);
  bytes[place] ^= 1;
  log.disk().put(path, bytes);
  const auto store = snapshot::Store::open(log.disk().directory("root")).value();
  Engine engine(*store, [&] { return log.clock().now(); }, {});
  CHECK(check(engine, "actor", Axis::kOccurred) == 1);
  CHECK(look(engine) == 1);
}

TEST_CASE("buckets: a day has 23 or 25 hours where the clock is changed, and every instant is in one bucket") {
  const Zone london = good(Zone::find("Europe/London"));
  const auto days = [&](std::string_view time) { return Buckets(london, Interval::kDay).of(at(time)); };
  const auto hours = [](const Bucket& bucket) { return (bucket.end - bucket.start) / 3'600'000'000; };
  CHECK(hours(days("2026-03-29T12:00:00Z")) == 23);
  CHECK(hours(days("2026-10-25T12:00:00Z")) == 25);
  CHECK(days("2026-06-15T23:30:00Z").start == at("2026-06-15T23:00:00Z"));
  // One o'clock comes twice on that morning: two buckets.
  Buckets hour(london, Interval::kHour);
  CHECK(hour.of(at("2026-10-25T00:30:00Z")).start == at("2026-10-25T00:00:00Z"));
  CHECK(hour.of(at("2026-10-25T01:30:00Z")).start == at("2026-10-25T01:00:00Z"));
  CHECK(Buckets(london, Interval::kWeek).of(at("2026-06-15T00:30:00Z")).start == at("2026-06-14T23:00:00Z"));
  CHECK(Buckets(london, Interval::kMonth).of(at("2026-06-30T23:30:00Z")).start == at("2026-06-30T23:00:00Z"));
  CHECK(Buckets(london, Interval::kQuarter).of(at("2026-05-05T00:00:00Z")).start == at("2026-03-31T23:00:00Z"));
  CHECK(Buckets(london, Interval::kYear).of(at("1969-05-05T00:00:00Z")).start == at("1968-12-31T23:00:00Z"));
  for (const char* name : {"UTC", "Europe/London", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"}) {
    const Zone zone = good(Zone::find(name));
    for (int i = 0; i <= static_cast<int>(Interval::kYear); ++i) {
      Buckets fresh(zone, static_cast<Interval>(i));
      TimeUs end = 0;
      for (TimeUs time = at("2026-03-01T00:00:00Z"); time < at("2026-12-01T00:00:00Z");
           time += 1'700'000'000 * static_cast<TimeUs>(khipu::tests::stride(5))) {
        const Bucket bucket = fresh.of(time);
        INFO(name << " " << khipu::query::name(static_cast<Interval>(i)) << " " << format_rfc3339(time));
        REQUIRE(bucket.start <= time);
        REQUIRE(time < bucket.end);
        if (end != 0) REQUIRE((bucket.start == end || bucket.end == end || bucket.start > end));
        end = bucket.end;
        REQUIRE(Buckets(zone, static_cast<Interval>(i)).of(time).start == bucket.start);
      }
    }
  }
}

TEST_CASE("aggregate: hours, weekdays and days are those of the zone, on both sides of a changed clock") {
  TestLog log;
  for (const char* time : {"2026-03-28T23:30:00Z", "2026-03-29T23:30:00Z", "2026-03-30T07:30:00Z"}) {
    log.add(Spec{.time = at(time)});
  }
  AggregateRequest request = by({"hour_of_day", "weekday"});
  request.tz = "Europe/London";
  const Aggregate hours = good(log.engine().aggregate(request));
  std::set<Keys> found;
  for (const Group& group : hours.groups) found.insert(words(group));
  CHECK(found == std::set<Keys>{{"23", "sat"}, {"0", "mon"}, {"8", "mon"}});
  request = by({"time"});
  request.tz = "Europe/London";
  request.interval = "day";
  const Aggregate days = good(log.engine().aggregate(request));
  REQUIRE(days.groups.size() == 2);
  CHECK(days.groups[0].key[0].text == "2026-03-28T00:00:00.000000Z");
  CHECK(days.groups[1].key[0].text == "2026-03-30T00:00:00.000000+01:00");
  CHECK(days.groups[1].count == 2);
  CHECK(days.interval == "1d");
}

TEST_CASE("aggregate: an empty window has no groups, and none is not an error") {
  TestLog log;
  log.add(Spec{});
  AggregateRequest request = by({"actor", "time"});
  request.filter.from = kStart + 1'000'000'000;
  const Aggregate none = good(log.engine().aggregate(request));
  CHECK(none.total == 0);
  CHECK(none.groups.empty());
  CHECK(none.other_groups == 0);
  CHECK(none.coverage.complete);
  request.filter.from.reset();
  request.filter.where.actors = {"nobody"};
  CHECK(good(log.engine().aggregate(request)).total == 0);
  TestLog empty;
  CHECK(good(empty.engine().aggregate(by({"time"}))).groups.empty());
}

TEST_CASE("aggregate: the greatest bucket finds a burst that sums hide") {
  TestLog log;
  log.clock().advance_us(2 * kDayUs);
  for (int i = 0; i < 30; ++i) log.add({.time = kStart + i * 3'600'000'000LL, .actor = user("steady")});
  for (int i = 0; i < 20; ++i) log.add({.time = kStart + i * 1'000'000LL, .actor = user("burst")});
  AggregateRequest request = by({"actor"});
  request.top = 1;
  request.interval = "1h";
  CHECK(good(log.engine().aggregate(request)).groups[0].key[0].text == "user:steady");
  request.by_peak = true;
  const Aggregate peak = good(log.engine().aggregate(request));
  REQUIRE(peak.groups.size() == 1);
  CHECK(peak.groups[0].key[0].text == "user:burst");
  CHECK(peak.groups[0].count == 20);
  CHECK(peak.groups[0].peak_count == 20);
  CHECK(*peak.groups[0].peak == at("2026-06-15T05:00:00Z"));
  CHECK(peak.other_count == 30);
  CHECK(peak.other_groups == 1);
}

TEST_CASE("aggregate: the period before is as many days or months, and its sums agree too") {
  const auto period = [](const char* from, const char* to, const char* tz) {
    const Period found = good(previous_period(at(from), at(to), tz));
    return format_rfc3339(found.from).substr(0, 16);
  };
  CHECK(period("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z", "") == "2026-05-01T00:00");
  CHECK(period("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", "") == "2025-10-01T00:00");
  CHECK(period("2026-06-15T00:00:00Z", "2026-06-16T00:00:00Z", "") == "2026-06-14T00:00");
  CHECK(period("2026-03-30T23:00:00Z", "2026-03-31T23:00:00Z", "Europe/London") == "2026-03-29T23:00");
  CHECK(period("2026-03-29T23:00:00Z", "2026-03-30T23:00:00Z", "Europe/London") == "2026-03-29T00:00");
  CHECK(period("2026-06-15T05:00:00Z", "2026-06-15T06:30:00Z", "") == "2026-06-15T03:30");
  TestLog log;
  for (const char* time :
       {"2026-06-10T10:00:00Z", "2026-06-10T11:00:00Z", "2026-06-11T10:30:00Z", "2026-06-11T12:00:00Z"})
    log.add({.time = at(time), .actor = user(time[9] == '0' ? "old" : "new")});
  log.add({.time = at("2026-06-10T10:00:00Z"), .actor = user("new")});
  AggregateRequest request = by({"actor"});
  request.previous = true;
  CHECK(log.engine().aggregate(request).error().code == "INVALID_ARGUMENT");
  request.filter.from = at("2026-06-11T00:00:00Z");
  request.filter.to = at("2026-06-12T00:00:00Z");
  const Aggregate both = good(log.engine().aggregate(request));
  REQUIRE(both.groups.size() == 1);
  CHECK(both.groups[0].key[0].text == "user:new");
  CHECK(both.groups[0].count == 2);
  CHECK(both.groups[0].previous == 1);
  CHECK(both.previous_total == 3);
  CHECK(both.other_previous == 2);
  CHECK(both.other_groups == 0);
  CHECK(*both.applied.from == *request.filter.from);
  request.group_by = by({"time"}).group_by;
  request.interval = "1h";
  const Aggregate hours = good(log.engine().aggregate(request));
  REQUIRE(hours.groups.size() == 2);
  CHECK(hours.groups[0].key[0].text == "2026-06-11T10:00:00.000000Z");
  CHECK(hours.groups[0].previous == 2);  // 10:00 the day before
  CHECK(hours.other_previous == 1);      // 11:00, where this day has nothing
}

TEST_CASE("aggregate: more groups than memory may hold is an error that says what to do") {
  TestLog log;
  for (int i = 0; i < 200; ++i) log.add({.action = "A" + std::to_string(i)});
  AggregateRequest request = by({"action"});
  request.memory_bytes_max = 10'000;
  CHECK(log.engine().aggregate(request).error().code == "TOO_MANY_GROUPS");
  request.memory_bytes_max = 1'000'000;
  CHECK(good(log.engine().aggregate(request)).other_groups == 180);
}

TEST_CASE("aggregate: wrong keys are told apart") {
  TestLog log;
  CHECK(group_key("acter").error().did_you_mean == "actor");
  CHECK(metric("sum").error().code == "UNKNOWN_VALUE");
  CHECK(log.engine().aggregate(by({"custom.nothing"})).error().code == "UNKNOWN_FIELD");
  CHECK(log.engine().aggregate(by({"flags"})).error().code == "INVALID_ARGUMENT");
  CHECK(log.engine().aggregate(by({"actor", "actor"})).error().code == "INVALID_ARGUMENT");
  CHECK(log.engine().aggregate(by({"actor", "action", "url", "source"})).error().code == "INVALID_ARGUMENT");
  AggregateRequest request = by({"time"});
  request.interval = "2h";
  CHECK(log.engine().aggregate(request).error().field == "interval");
}
