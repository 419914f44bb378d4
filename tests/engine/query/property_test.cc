// Random logs, random questions, and an oracle that answers them by looking at every event it remembers.
#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include "tests/engine/query/test_log.h"
#include "tests/support/thorough.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

struct OracleVersion {
  std::map<std::string, std::string> fields;
  bool deleted = false;
  std::string display() const {
    const auto name = fields.find("name");
    if (name != fields.end()) return name->second;
    const auto mail = fields.find("mail");
    return mail == fields.end() ? "" : mail->second;
  }
};

struct Oracle {
  struct Event {
    Spec spec;
    TimeUs recorded = 0;
  };
  std::vector<Event> events;
  uint64_t retained = 0;                                       // events before it were let go
  std::map<std::string, std::vector<OracleVersion>> entities;  // by ref

  void touch(const Thing& thing) {
    auto& versions = entities[thing.type + ":" + thing.id];
    OracleVersion next;
    if (!versions.empty()) next = versions.back();
    if (thing.deleted) next.deleted = true;
    if (!thing.deleted && next.deleted && !thing.fields.empty()) next = {};
    for (const auto& [name, value] : thing.fields) next.fields[name] = value;
    const bool same =
        !versions.empty() && versions.back().fields == next.fields && versions.back().deleted == next.deleted;
    if (!same) versions.push_back(next);
  }
  bool live(const std::string& ref) const {
    const auto found = entities.find(ref);
    return found != entities.end() && !found->second.back().deleted;
  }

  // Refs that a text may mean.
  std::set<std::string> meant(const std::string& text) const {
    if (entities.contains(text)) return {text};
    std::set<std::string> exact, folded;
    for (const auto& [ref, versions] : entities) {
      const std::string id = ref.substr(ref.find(':') + 1);
      for (const OracleVersion& version : versions) {
        for (const std::string& have : {id, version.display()}) {
          if (have == text) exact.insert(ref);
          if (lower(have) == lower(text)) folded.insert(ref);
        }
      }
    }
    return exact.empty() ? folded : exact;
  }
  std::set<std::string> matched(const EntityMatcher& matcher) const {
    std::set<std::string> refs;
    for (const auto& [ref, versions] : entities) {
      if (!ref.starts_with(matcher.type + ":")) continue;
      for (const OracleVersion& version : versions) {
        if (matcher.current_only && (&version != &versions.back() || version.deleted)) continue;
        const auto field = version.fields.find(matcher.field);
        if (matcher.field != "id" && field == version.fields.end()) continue;
        const std::string have = matcher.field == "id" ? ref.substr(ref.find(':') + 1) : field->second;
        const std::string folded = lower(have), wanted = lower(matcher.value);
        const bool hit = matcher.match == Match::kExact     ? have == matcher.value
                         : matcher.match == Match::kExactCi ? folded == wanted
                         : matcher.match == Match::kPrefix  ? folded.starts_with(wanted)
                                                            : folded.find(wanted) != std::string::npos;
        if (hit) refs.insert(ref);
      }
    }
    return refs;
  }
};

std::string ref(const Thing& thing) { return thing.type + ":" + thing.id; }

// How each key of `c` judges an event: one verdict a value that excludes, or one a key that includes.
struct Judge {
  const Oracle& oracle;
  bool ambiguous = false;

  std::set<std::string> one(const std::string& text) {
    const auto refs = oracle.meant(text);
    ambiguous |= refs.size() > 1;
    return refs;
  }
  static bool touches(const Spec& spec, const std::set<std::string>& refs) {
    return std::any_of(spec.targets.begin(), spec.targets.end(), [&](const Thing& t) { return refs.contains(ref(t)); });
  }
  static bool word(const std::vector<std::string>& words, std::string_view have) {
    return std::find(words.begin(), words.end(), have) != words.end();
  }
  static bool outcome(const std::vector<std::string>& words, codec::Outcome have) {
    return word(words, codec::name(have)) || (word(words, "not_success") && have != codec::Outcome::kSuccess);
  }
  static bool custom(const Spec& spec, const NamedOwnedValue& value) {
    const auto have = spec.custom.find(value.name);
    return have != spec.custom.end() && have->second == value.value;
  }

  bool includes(const Conditions& c, const Spec& spec) {
    bool in = true;
    if (!c.actors.empty()) {
      std::set<std::string> any;
      for (const std::string& actor : c.actors) any.merge(one(actor));
      in &= any.contains(ref(spec.actor));
    }
    if (c.actor_match) in &= oracle.matched(*c.actor_match).contains(ref(spec.actor));
    for (const std::string& target : c.targets) in &= touches(spec, one(target));
    for (const EntityMatcher& matcher : c.target_matches) in &= touches(spec, oracle.matched(matcher));
    if (!c.actions.empty()) in &= word(c.actions, spec.action);
    if (!c.action_classes.empty()) in &= word(c.action_classes, codec::name(spec.action_class));
    if (!c.outcomes.empty()) in &= outcome(c.outcomes, spec.outcome);
    if (!c.sources.empty()) in &= word(c.sources, spec.source);
    if (!c.url_prefix.empty()) in &= spec.url.starts_with(c.url_prefix);
    for (const NamedOwnedValue& value : c.custom) in &= custom(spec, value);
    if (!c.text.empty()) in &= lower(spec.text).find(lower(c.text)) != std::string::npos;
    return in;
  }
  bool excludes(const Conditions& c, const Spec& spec) {
    bool out = false;
    for (const std::string& actor : c.actors) out |= one(actor).contains(ref(spec.actor));
    if (c.actor_match) out |= oracle.matched(*c.actor_match).contains(ref(spec.actor));
    for (const std::string& target : c.targets) out |= touches(spec, one(target));
    for (const EntityMatcher& matcher : c.target_matches) out |= touches(spec, oracle.matched(matcher));
    out |= word(c.actions, spec.action) || word(c.action_classes, codec::name(spec.action_class));
    out |= outcome(c.outcomes, spec.outcome) || word(c.sources, spec.source);
    out |= !c.url_prefix.empty() && spec.url.starts_with(c.url_prefix);
    for (const NamedOwnedValue& value : c.custom) out |= custom(spec, value);
    out |= !c.text.empty() && lower(spec.text).find(lower(c.text)) != std::string::npos;
    return out;
  }
};

std::vector<uint64_t> answer(const Oracle& oracle, const Filter& filter, const Order& order, bool& ambiguous) {
  Judge judge{oracle};
  std::vector<uint64_t> found;
  for (uint64_t seq = oracle.retained; seq < oracle.events.size(); ++seq) {
    const Oracle::Event& event = oracle.events[seq];
    const TimeUs time = filter.axis == Axis::kOccurred ? *event.spec.time : event.recorded;
    const bool in_window = (!filter.from || time >= *filter.from) && (!filter.to || time < *filter.to);
    // Both are asked for every event: an ambiguous name is one whatever else the event is.
    const bool in = judge.includes(filter.where, event.spec);
    const bool out = judge.excludes(filter.where_not, event.spec);
    if (in_window && in && !out) found.push_back(seq);
  }
  ambiguous = judge.ambiguous;
  const auto time = [&](uint64_t seq) { return order.by == OrderBy::kTime ? *oracle.events[seq].spec.time : 0; };
  std::sort(found.begin(), found.end(), [&](uint64_t a, uint64_t b) {
    return order.descending ? std::pair(time(a), a) > std::pair(time(b), b)
                            : std::pair(time(a), a) < std::pair(time(b), b);
  });
  return found;
}

class Chance {
 public:
  explicit Chance(uint64_t seed) : random_(seed) {}
  uint64_t below(uint64_t bound) { return random_() % bound; }
  bool one_in(uint64_t n) { return below(n) == 0; }
  std::string pick(const std::vector<std::string>& from) { return from[below(from.size())]; }

 private:
  std::mt19937_64 random_;
};

const std::vector<std::string> kNames = {"Draft", "draft", "final", "Plan B", "plan", "Acme", "beta"};
const std::vector<std::string> kActions = {"GET", "PUT", "DELETE", "get"};
const std::vector<std::string> kSources = {"", "billing", "web"};
const std::vector<std::string> kUrls = {"", "/api/a", "/api/b/c", "/other"};
const std::vector<std::string> kTexts = {"", "the quick Fox", "lazy DOG", "fox and dog"};
const std::vector<std::string> kOutcomes = {"unknown", "success", "failure", "denied", "not_success"};
const std::vector<std::string> kClasses = {"other", "auth", "read", "update"};

Thing random_thing(Chance& chance, const Oracle& oracle, const std::string& type) {
  Thing thing{type, type.substr(0, 1) + std::to_string(chance.below(6)), {}, false};
  if (type == "doc" && chance.one_in(12) && oracle.live(ref(thing))) {
    thing.deleted = true;
    return thing;
  }
  if (chance.one_in(3)) thing.fields["name"] = chance.pick(kNames);
  if (type == "doc" && chance.one_in(5)) thing.fields["mail"] = chance.pick(kNames) + "@x.org";
  return thing;
}

Spec random_spec(Chance& chance, Oracle& oracle) {
  Spec spec;
  spec.time = kStart - 1000 + static_cast<TimeUs>(chance.below(2000));
  spec.actor = random_thing(chance, oracle, "user");
  oracle.touch(spec.actor);
  std::set<std::string> met;
  for (uint64_t i = chance.below(4); i > 0; --i) {
    const Thing target = random_thing(chance, oracle, "doc");
    if (!met.insert(ref(target)).second) continue;
    oracle.touch(target);
    spec.targets.push_back(target);
  }
  spec.action = chance.pick(kActions);
  spec.action_class = *codec::action_class(chance.pick(kClasses));
  spec.outcome = static_cast<codec::Outcome>(chance.below(4));
  spec.url = chance.pick(kUrls);
  spec.source = chance.pick(kSources);
  spec.text = chance.pick(kTexts);
  if (chance.one_in(2)) spec.custom["tenant"] = OwnedValue(codec::Value::of_text(chance.pick(kNames)));
  if (chance.one_in(2))
    spec.custom["cost"] = OwnedValue(codec::Value::of_integer(static_cast<int64_t>(chance.below(3))));
  return spec;
}

EntityMatcher random_matcher(Chance& chance, const std::string& type) {
  const std::vector<std::string> fields =
      type == "doc" ? std::vector<std::string>{"id", "name", "mail"} : std::vector<std::string>{"id", "name"};
  EntityMatcher matcher{type, chance.pick(fields), chance.pick(kNames), static_cast<Match>(chance.below(4)),
                        chance.one_in(3)};
  if (matcher.field == "id") matcher.value = type.substr(0, 1) + std::to_string(chance.below(6));
  if (chance.one_in(3)) matcher.value = matcher.value.substr(0, 1 + chance.below(3));
  return matcher;
}

std::string random_who(Chance& chance, const std::string& type) {
  if (chance.one_in(4)) return chance.pick(kNames);
  return type + ":" + type.substr(0, 1) + std::to_string(chance.below(7));
}

Conditions random_conditions(Chance& chance, uint64_t rarity) {
  Conditions c;
  if (chance.one_in(rarity)) c.actors = {random_who(chance, "user"), random_who(chance, "user")};
  if (chance.one_in(rarity)) c.actor_match = random_matcher(chance, "user");
  if (chance.one_in(rarity)) c.targets = {random_who(chance, "doc")};
  if (chance.one_in(rarity)) c.target_matches = {random_matcher(chance, "doc")};
  if (chance.one_in(rarity)) c.actions = {chance.pick(kActions), chance.pick(kActions)};
  if (chance.one_in(rarity)) c.action_classes = {chance.pick(kClasses)};
  if (chance.one_in(rarity)) c.outcomes = {chance.pick(kOutcomes)};
  if (chance.one_in(rarity)) c.sources = {chance.pick(kSources)};
  if (chance.one_in(rarity)) c.url_prefix = chance.pick({"/api", "/api/b", "/"});
  if (chance.one_in(rarity))
    c.custom = {{"cost", OwnedValue(codec::Value::of_integer(static_cast<int64_t>(chance.below(3))))}};
  if (chance.one_in(rarity)) c.text = chance.pick({"fox", "DOG", "quick f", "none"});
  return c;
}

Filter random_filter(Chance& chance) {
  Filter filter;
  filter.axis = chance.one_in(3) ? Axis::kRecorded : Axis::kOccurred;
  const TimeUs base = filter.axis == Axis::kRecorded ? kStart : kStart - 1000;
  if (chance.one_in(3)) filter.from = base + static_cast<TimeUs>(chance.below(1500));
  if (chance.one_in(3)) filter.to = filter.from.value_or(base) + 1 + static_cast<TimeUs>(chance.below(1500));
  filter.where = random_conditions(chance, 8);
  filter.where_not = random_conditions(chance, 16);
  return filter;
}

// What an aggregate over one key must say of each value.
struct OracleGroup {
  uint64_t count = 0, first_seq = UINT64_MAX, last_seq = 0;
  TimeUs first = INT64_MAX, last = INT64_MIN;
  bool operator==(const OracleGroup&) const = default;
};
std::set<std::string> key_values(const Spec& spec, GroupBy by) {
  std::set<std::string> refs;
  switch (by) {
    case GroupBy::kActor: return {ref(spec.actor)};
    case GroupBy::kAction: return {spec.action};
    case GroupBy::kActionClass: return {std::string(codec::name(spec.action_class))};
    case GroupBy::kOutcome: return {std::string(codec::name(spec.outcome))};
    case GroupBy::kSource: return {spec.source};
    default:
      for (const Thing& target : spec.targets) refs.insert(ref(target));
      return refs.empty() ? std::set<std::string>{""} : refs;
  }
}

void check_groups(TestLog& log, const Oracle& oracle, Chance& chance, const Filter& filter,
                  const std::vector<uint64_t>& found) {
  constexpr std::array kKeys = {GroupBy::kActor,       GroupBy::kTarget,  GroupBy::kAction,
                                GroupBy::kActionClass, GroupBy::kOutcome, GroupBy::kSource};
  AggregateRequest request;
  request.filter = filter;
  request.group_by = {{kKeys[chance.below(kKeys.size())], ""}};
  request.top = 100;
  std::map<std::string, OracleGroup> expected;
  uint64_t total = 0;
  for (const uint64_t seq : found) {
    const Oracle::Event& event = oracle.events[seq];
    const TimeUs time = filter.axis == Axis::kOccurred ? *event.spec.time : event.recorded;
    for (const std::string& value : key_values(event.spec, request.group_by[0].by)) {
      OracleGroup& group = expected[value];
      ++group.count;
      ++total;
      group.first_seq = std::min(group.first_seq, seq);
      group.last_seq = std::max(group.last_seq, seq);
      group.first = std::min(group.first, time);
      group.last = std::max(group.last, time);
    }
  }
  const Aggregate answer = good(log.engine().aggregate(request));
  REQUIRE(answer.events == found.size());
  REQUIRE(answer.total == total);
  REQUIRE(answer.groups.size() == expected.size());
  for (const Group& group : answer.groups) {
    const std::string value = group.key[0].none ? "" : group.key[0].text;
    INFO(name(request.group_by[0]) << " " << value);
    REQUIRE(expected.contains(value));
    const OracleGroup got{group.count, group.first_seq.value, group.last_seq.value, group.first, group.last};
    REQUIRE(got == expected[value]);
  }
}

void check_one(TestLog& log, const Oracle& oracle, Chance& chance) {
  const Filter filter = random_filter(chance);
  const Order order{chance.one_in(2) ? OrderBy::kTime : OrderBy::kSeq, chance.one_in(2)};
  bool ambiguous = false;
  const std::vector<uint64_t> expected = answer(oracle, filter, order, ambiguous);
  EventRequest request;
  request.filter = filter;
  request.order = order;
  request.limit = static_cast<uint32_t>(1 + chance.below(1 + expected.size()));
  if (chance.one_in(2)) request.text_scan_rows_max = 1 + chance.below(60);
  const uint64_t budget = chance.one_in(3) ? 1 + chance.below(5) : UINT64_MAX;
  uint64_t on_page = 0;
  request.fits = [&](const EventRow&) { return on_page++ < budget; };
  if (ambiguous) {
    const auto refused = log.engine().events(request);
    REQUIRE(!refused.ok());
    CHECK(refused.error().code == "AMBIGUOUS_ENTITY");
    return;
  }
  std::vector<uint64_t> all;
  bool in_parts = false;
  const std::unique_ptr<Engine> fresh = chance.one_in(4) ? log.other_engine(7) : nullptr;  // it has learnt nothing yet
  for (;;) {
    on_page = 0;
    const EventPage page = good((fresh ? *fresh : log.engine()).events(request));
    if (page.more_reason == "scan_limit") REQUIRE(page.total_is_lower_bound);
    in_parts |= page.total_is_lower_bound;
    REQUIRE((in_parts ? page.total <= expected.size() : page.total == expected.size()));
    REQUIRE(page.findings_total == 0);
    REQUIRE(page.rows.size() <= std::min<uint64_t>(request.limit, budget));
    REQUIRE((!page.rows.empty() || expected.empty() || in_parts));
    for (const EventRow& row : page.rows) {
      const Oracle::Event& event = oracle.events.at(row.seq.value);
      all.push_back(row.seq.value);
      REQUIRE(row.occurred_at == *event.spec.time);
      REQUIRE(row.recorded_at == event.recorded);
      REQUIRE(row.action == event.spec.action);
      REQUIRE(row.content == event.spec.text);
      REQUIRE(row.targets.size() == event.spec.targets.size());
    }
    if (!page.cursor) break;
    request.cursor = *page.cursor;
    if (chance.one_in(2)) request.filter.reset();
  }
  if (in_parts && order.by == OrderBy::kTime) {  // in order within each
    std::vector<uint64_t> sorted = expected;
    std::sort(sorted.begin(), sorted.end());
    std::sort(all.begin(), all.end());
    REQUIRE(all == sorted);
  } else {
    REQUIRE(all == expected);
  }
  std::vector<uint64_t> exported;
  const auto keep = [&](const EventRow& row) {
    exported.push_back(row.seq.value);
    return true;
  };
  REQUIRE(good(log.engine().each_event(filter, order, keep)).total == expected.size());
  REQUIRE(exported == expected);
  if (chance.one_in(3)) check_groups(log, oracle, chance, filter, expected);
}

}  // namespace

TEST_CASE(
    "query: random questions to a random log are answered as an oracle answers them, through seals, restarts, "
    "retention, and with indexes gone and built again") {
  // With KHIPU_SOAK set 10,368 of them: 12 seeds, 12 rounds, 72 questions.
  const bool soak = khipu::tests::soaking();
  const uint64_t seed = GENERATE(range(1ULL, 13ULL));
  if (seed > (khipu::tests::stride(2) == 1 ? 3U : 2U) && !soak) return;
  INFO("seed " << seed);
  Chance chance(seed);
  // A seal every few dozen events, or every few: then there are segments enough to be merged.
  const bool many = seed % 2 == 0;
  TestLog log(many ? 1200 : 6000);
  Oracle oracle;
  for (int round = 0; round < 12; ++round) {
    for (int batch = 0; batch < 6; ++batch) {
      log.clock().advance_us(static_cast<int64_t>(chance.below(40)));
      std::vector<Spec> specs;
      for (uint64_t i = 1 + chance.below(8); i > 0; --i) specs.push_back(random_spec(chance, oracle));
      const Row first = log.add(specs);
      REQUIRE(first.value == oracle.events.size());
      for (const Spec& spec : specs) oracle.events.push_back({spec, log.clock().now()});
    }
    if (chance.one_in(3)) log.restart();
    if (chance.one_in(2)) log.wait_until_indexed();
    if (chance.one_in(4)) log.spoil_indexes(false);
    const uint64_t held = log.store().snapshot().value()->segments(TableId::kLogs).size();
    if (chance.one_in(2) && held > (many ? 50U : 8U)) {  // of as many bytes each as were asked for, or some more
      log.purge(36000);
      oracle.retained = log.store().snapshot().value()->meta().retained(TableId::kLogs).value;
    }
    for (uint64_t question = 0; question < (soak ? 72 : 10); question += khipu::tests::stride(2))
      check_one(log, oracle, chance);
  }
  CHECK((many || oracle.retained > 0));
  const auto segments_with_index = [&] {
    const auto snapshot = log.store().snapshot().value();
    uint64_t count = 0;
    for (const auto& segment : snapshot->segments(TableId::kLogs))
      count += snapshot->segment_index(TableId::kLogs, segment).value() ? 1 : 0;
    return count;
  };
  log.restart();  // what was taken away is built again
  log.wait_until_indexed();
  const auto newest = log.store().snapshot().value();
  uint64_t sealed = 0;
  for (const auto& segment : newest->segments(TableId::kLogs)) sealed += segment.sealed && segment.rows > 0 ? 1 : 0;
  REQUIRE(sealed > 3);
  const auto merged_files = [&] {
    return log.store().snapshot().value()->merged(
        TableId::kLogs, [](const auto&, uint64_t, const Error& error) { FAIL(error.message); });
  };
  CHECK((!many || oracle.retained > 0 || !merged_files().empty()));  // a whole range may not be left
  CHECK(segments_with_index() == sealed);
  for (int question = 0; question < 100; ++question) check_one(log, oracle, chance);
  CHECK(log.spoil_indexes(false) == sealed);
  CHECK(segments_with_index() == 0);
  CHECK(merged_files().empty());
  for (int question = 0; question < 30; ++question) check_one(log, oracle, chance);
}

TEST_CASE("query: an index that was edited is not believed: the records are asked, and the answer says so") {
  TestLog log(6000);
  for (int i = 0; i < 60; ++i) {
    log.add({.time = kStart + i, .actor = user(i % 3 == 0 ? "u-a" : "u-b"), .action = i % 2 == 0 ? "GET" : "PUT"});
  }
  log.wait_until_indexed();
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.actors = {"user:u-a"};
  request.limit = 5;
  const EventPage before = good(log.engine().events(request));
  CHECK(before.total == 20);
  CHECK(before.findings_total == 0);
  const uint64_t spoiled = log.spoil_indexes(true);
  REQUIRE(spoiled > 1);
  const EventPage after = good(log.engine().events(request));
  CHECK(after.total == 20);
  CHECK(seqs(after) == seqs(before));
  REQUIRE(after.findings_total >= spoiled);
  REQUIRE(after.findings_total <= spoiled + 1);  // of the runs of the active segment one tells
  CHECK(after.findings.front().code == "index-mismatch");
}
