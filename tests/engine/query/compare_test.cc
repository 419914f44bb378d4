// Aggregates that are compared with the period before: random windows and keys, and an oracle that counts by hand.
#include <algorithm>
#include <random>
#include <set>

#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

constexpr TimeUs kHour = 3600 * kMicrosPerSecond, kDay = 24 * kHour;

TimeUs date(std::string_view text) { return parse_rfc3339(text).value(); }

struct Expected {
  uint64_t count = 0, previous = 0;
};
using Key = std::vector<std::string>;

// What an event is counted under, besides its bucket: each different key once.
std::set<Key> keys_of(const Spec& spec, const std::vector<GroupKey>& group_by, const std::string& bucket) {
  std::set<Key> keys = {{}};
  const bool by_target = std::count(group_by.begin(), group_by.end(), GroupKey{GroupBy::kTarget, ""}) > 0;
  std::vector<std::string> targets;
  for (const Thing& target : spec.targets) targets.push_back(target.type + ":" + target.id);
  if (targets.empty() || !by_target) targets = {""};
  keys.clear();
  for (const std::string& target : targets) {
    Key key;
    for (const GroupKey& one : group_by) {
      key.push_back(one.by == GroupBy::kTime     ? bucket
                    : one.by == GroupBy::kSource ? spec.source
                    : one.by == GroupBy::kAction ? spec.action
                                                 : target);
    }
    keys.insert(key);
  }
  return keys;
}

struct Question {
  AggregateRequest request;
  int64_t step = kDay;
};

void check(TestLog& log, const std::vector<Spec>& events, const Question& question) {
  const TimeUs from = *question.request.filter.from, to = *question.request.filter.to;
  const Period before = good(previous_period(from, to, ""));
  const bool by_time =
      std::count(question.request.group_by.begin(), question.request.group_by.end(), GroupKey{GroupBy::kTime, ""}) > 0;
  std::map<Key, Expected> expected;
  uint64_t total = 0, previous_total = 0, nowhere = 0;
  for (const Spec& spec : events) {
    const TimeUs time = *spec.time;
    if (time < before.from || time >= to) continue;
    // All buckets are of one width here, and the first ones stand for each other.
    int64_t bucket = time / question.step;
    if (time < from) bucket += from / question.step - before.from / question.step;
    const bool placed = time >= from || bucket * question.step < to;
    const std::string start = format_rfc3339(bucket * question.step);
    for (const Key& key : keys_of(spec, question.request.group_by, start)) {
      (time < from ? previous_total : total) += 1;
      if (by_time && !placed) {
        ++nowhere;
      } else {
        (time < from ? expected[key].previous : expected[key].count) += 1;
      }
    }
  }
  for (auto group = expected.begin(); group != expected.end();) {
    if (group->second.count == 0) nowhere += group->second.previous;
    group = group->second.count == 0 ? expected.erase(group) : std::next(group);
  }

  const Aggregate answer = good(log.engine().aggregate(question.request));
  CHECK(answer.previous_total == previous_total);
  CHECK(answer.total == total);
  uint64_t shown = 0, shown_before = 0;
  for (const Group& group : answer.groups) {
    Key key;
    for (const GroupValue& value : group.key) key.push_back(value.time ? format_rfc3339(*value.time) : value.text);
    INFO((key.empty() ? "" : key.front()) << " " << (key.size() > 1 ? key.back() : ""));
    REQUIRE(expected.contains(key));
    CHECK(group.count == expected[key].count);
    CHECK(group.previous == expected[key].previous);
    shown += group.count;
    shown_before += group.previous;
  }
  CHECK(shown + answer.other_count == total);
  CHECK(shown_before + answer.other_previous == previous_total);
  if (question.request.top >= 100) {
    CHECK(answer.groups.size() == expected.size());
    CHECK(answer.other_previous == nowhere);
  }
  const bool noted = std::any_of(answer.notes.begin(), answer.notes.end(),
                                 [](const Note& note) { return note.code == "PREVIOUS_IN_OTHER"; });
  CHECK(noted == (nowhere > 0));
}

}  // namespace

TEST_CASE(
    "query: of random questions with compare and buckets every group has its previous, and what has no place in this "
    "period is in other") {
  const uint64_t seed = GENERATE(range(1ULL, 4ULL));
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  const std::vector<std::string> sources = {"", "billing", "web"}, actions = {"GET", "PUT"};
  const TimeUs begin = date("2015-09-01T00:00:00Z");
  TestLog log(6000);
  std::vector<Spec> events;
  for (int i = 0; i < 240; ++i) {
    Spec spec;
    spec.time = begin + static_cast<TimeUs>(below(92)) * kDay + static_cast<TimeUs>(below(24)) * kHour;
    for (uint64_t target = below(4); target > 0; --target) spec.targets.push_back(doc("d" + std::to_string(target)));
    spec.source = sources[below(sources.size())];
    spec.action = actions[below(actions.size())];
    events.push_back(spec);
  }
  log.add(events);
  constexpr std::array kKeys = {GroupBy::kTime, GroupBy::kSource, GroupBy::kAction, GroupBy::kTarget};
  const std::vector<std::pair<std::string, int64_t>> intervals = {{"day", kDay}, {"6h", 6 * kHour}, {"1h", kHour}};
  const std::vector<std::pair<std::string, std::string>> months = {{"2015-10-01T00:00:00Z", "2015-11-01T00:00:00Z"},
                                                                   {"2015-11-01T00:00:00Z", "2015-12-01T00:00:00Z"}};
  for (int i = 0; i < 60; ++i) {
    Question question;
    AggregateRequest& request = question.request;
    const auto& month = months[below(2)];
    request.filter.from = date(month.first);
    request.filter.to = date(month.second);
    if (below(3) == 0) {
      request.filter.from = begin + kDay * 30 + static_cast<TimeUs>(below(200)) * kHour;
      request.filter.to = *request.filter.from + static_cast<TimeUs>(1 + below(300)) * kHour;
    }
    std::tie(request.interval, question.step) = intervals[below(intervals.size())];
    for (const GroupBy by : kKeys) {
      if (request.group_by.size() < 3 && below(2) == 0) request.group_by.push_back({by, ""});
    }
    request.by_peak = below(2) == 0;
    request.previous = true;
    request.top = below(4) == 0 ? 2 : 1000;
    std::string asked;
    for (const GroupKey& key : request.group_by) asked += name(key) + " ";
    INFO(asked << (request.by_peak ? "by peak, " : "") << request.interval << " from "
               << format_rfc3339(*request.filter.from) << " to " << format_rfc3339(*request.filter.to));
    check(log, events, question);
  }
}
