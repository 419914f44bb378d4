// Samples anybody can draw again, entities found by any of their names, and what a log says of its own completeness.
#include <algorithm>
#include <set>

#include "engine/base/time.h"
#include "engine/crypto/hash.h"
#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

TimeUs at(std::string_view text) { return parse_rfc3339(text).value(); }

// The n smallest ranks of `seqs`, the slow way.
std::vector<Row> drawn(const std::vector<uint64_t>& seqs, const std::string& seed, size_t n) {
  std::vector<std::pair<Hash, uint64_t>> ranks;
  for (const uint64_t seq : seqs) {
    const std::string text = seed + ":" + std::to_string(seq);
    ranks.emplace_back(crypto::sha256(as_bytes(text)), seq);
  }
  std::sort(ranks.begin(), ranks.end());
  std::vector<Row> rows;
  for (size_t i = 0; i < std::min(n, ranks.size()); ++i) rows.push_back({ranks[i].second});
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace

TEST_CASE("sample: the n smallest ranks of what matches, a digest of the population, the same after a restart") {
  TestLog log(4000);
  std::vector<uint64_t> gets;
  std::string lines;
  for (uint64_t i = 0; i < 120; ++i) {
    log.add(Spec{.action = i % 3 == 0 ? "PUT" : "GET", .source = i % 5 == 0 ? "a" : "b"});
    if (i % 3 == 0) continue;
    gets.push_back(i);
    lines += std::to_string(i) + "\n";
  }
  SampleRequest request;
  request.filter.where.actions = {"GET"};
  request.n = 17;
  request.seed = "auditor's own";
  const Sample sample = good(log.engine().sample(request));
  CHECK(sample.population == gets.size());
  CHECK(sample.population_digest == crypto::sha256(as_bytes(lines)));
  CHECK(sample.seqs == drawn(gets, "auditor's own", 17));
  CHECK(sample.unshown.empty());
  log.restart();
  CHECK(good(log.engine().sample(request)).seqs == sample.seqs);
  request.n = 100;
  CHECK(good(log.engine().sample(request)).seqs.size() == 80);
  request.seed.clear();
  request.words = [](const Filter&) { return std::string("{}"); };
  const Sample by_root = good(log.engine().sample(request));
  const std::string of = base64(by_root.as_of.root) + "{}100";
  CHECK(by_root.seed == hex(crypto::sha256(as_bytes(of))));
  request.n = 101;
  CHECK(log.engine().sample(request).error().code == "INVALID_ARGUMENT");
}

TEST_CASE("sample: strata give in proportion, by the largest remainder, and add up to n") {
  TestLog log;
  for (int i = 0; i < 60; ++i) log.add({.source = i < 40 ? "large" : i < 57 ? "middle" : ""});
  SampleRequest request;
  request.seed = "s";
  request.n = 10;
  request.stratify_by = GroupKey{GroupBy::kSource, {}};
  const Sample sample = good(log.engine().sample(request));
  CHECK(sample.seqs.size() == 10);
  std::map<std::string, std::pair<uint64_t, uint64_t>> strata;
  for (const Stratum& stratum : sample.strata) strata[stratum.value.text] = {stratum.population, stratum.drawn};
  // 6.67, 2.83 and 0.5 of ten: 6 + 2 + 0, and the two left go to the largest remainders.
  CHECK(strata["large"] == std::pair<uint64_t, uint64_t>(40, 7));
  CHECK(strata["middle"] == std::pair<uint64_t, uint64_t>(17, 3));
  CHECK(strata[""] == std::pair<uint64_t, uint64_t>(3, 0));
  std::vector<uint64_t> middle;
  for (uint64_t seq = 40; seq < 57; ++seq) middle.push_back(seq);
  for (const Row row : drawn(middle, "s", 3)) {
    CHECK(std::find(sample.seqs.begin(), sample.seqs.end(), row) != sample.seqs.end());
  }
  request.stratify_by = GroupKey{GroupBy::kTarget, {}};
  CHECK(log.engine().sample(request).error().field == "stratify_by");
  request.stratify_by.reset();
  request.filter.where.actions = {"NOTHING"};
  CHECK(good(log.engine().sample(request)).seqs.empty());
}

TEST_CASE("find: every entity that matches, best first, by id and by names of any time, with its events counted") {
  TestLog log;
  log.add({.time = kStart, .actor = {"user", "u-1", {{"name", "Alice"}}, false}, .targets = {doc("d", "alice in w")}});
  log.add({.time = kStart + 5, .actor = {"user", "u-1", {{"name", "Alicia"}}, false}});
  log.add(
      {.time = kStart + 9, .actor = {"user", "alice", {{"name", "Bob"}}, false}, .targets = {user("u-1"), doc("d")}});
  log.add({
      .time = kStart + 7,
      .targets = {{"doc", "d", {}, true}},
  });
  FindRequest request;
  request.text = "ALICE";
  const FoundEntities found = good(log.engine().find(request));
  REQUIRE(found.entities.size() == 3);
  CHECK(found.total == 3);
  CHECK(found.entities[0].entity.ref == "user:alice");
  CHECK(found.entities[0].entity.matched_on == "id");
  CHECK(found.entities[0].match == "exact");
  CHECK(found.entities[1].entity.ref == "user:u-1");
  CHECK(found.entities[1].entity.matched_on == "past_name");
  CHECK(found.entities[1].entity.name == "Alicia");
  CHECK(found.entities[1].events == 4);  // the last event has u-1 as its default actor
  CHECK(*found.entities[1].first_seen == kStart);
  CHECK(*found.entities[1].last_seen == kStart + 9);
  CHECK(found.entities[2].entity.ref == "doc:d");
  CHECK(found.entities[2].match == "prefix");
  CHECK(found.entities[2].entity.deleted);
  request.include_deleted = false;
  CHECK(good(log.engine().find(request)).total == 2);
  request.role = Role::kTarget;
  const FoundEntities targets = good(log.engine().find(request));
  REQUIRE(targets.entities.size() == 1);
  CHECK(targets.entities[0].events == 1);
  request = {};
  request.text = "user:U-1";
  CHECK(good(log.engine().find(request)).entities.at(0).match == "exact");
  request.text = "nobody at all";
  CHECK(good(log.engine().find(request)).entities.empty());
  request.type = "usr";
  CHECK(log.engine().find(request).error().code == "UNKNOWN_TYPE");
}

TEST_CASE("coverage: a silence is told by each source's own rhythm, and an end of the window counts") {
  TestLog log;
  constexpr int64_t kHour = 3'600'000'000;
  const TimeUs start = at("2026-06-01T00:00:00Z");
  log.clock().advance_us(start + 40 * 24 * kHour - log.clock().now());
  for (int day = 0; day < 10; ++day) {
    std::vector<Spec> specs;
    for (int i = 0; i < 96; ++i) {
      const TimeUs time = start + day * 24 * kHour + i * kHour / 4;
      const bool outage = day == 6 && i >= 40 && i < 70;
      if (!outage) specs.push_back({.time = time, .source = "steady"});
    }
    if (day != 4) specs.push_back({.time = start + day * 24 * kHour + 2 * kHour, .source = "nightly"});
    log.add(specs);
  }
  LogCoverageRequest request;
  const LogCoverage found = good(log.engine().log_coverage(request));
  REQUIRE(found.sources.size() == 2);
  const SourceCoverage& steady = found.sources[0];
  CHECK(steady.source == "steady");
  CHECK(steady.events == 960 - 30);
  CHECK(steady.days.size() == 10);
  CHECK(steady.days[6].events == 66);
  CHECK(steady.silent_after_us == kHour);
  REQUIRE(steady.silent.size() == 1);
  CHECK(steady.silent[0].from == start + 6 * 24 * kHour + 39 * kHour / 4);
  CHECK(steady.silent[0].to == start + 6 * 24 * kHour + 70 * kHour / 4);
  const SourceCoverage& nightly = found.sources[1];
  CHECK(nightly.silent_after_us == 36 * kHour);
  REQUIRE(nightly.silent.size() == 1);
  CHECK(nightly.silent[0].to - nightly.silent[0].from == 48 * kHour);
  request.silent_after = 12 * kHour;
  request.sources = {"nightly", "never"};
  request.to = start + 12 * 24 * kHour;
  const LogCoverage given = good(log.engine().log_coverage(request));
  REQUIRE(given.sources.size() == 1);
  CHECK(given.sources[0].silent.size() == 9);
  CHECK(given.sources[0].silent.back().to == *request.to);
  CHECK(given.notes.at(0).code == "SOURCE_SILENT");
}

TEST_CASE("coverage: lag, clocks that step back, switched logging, and what is not in any window") {
  TestLog log;
  const TimeUs now = log.clock().now();
  for (int i = 0; i < 200; ++i) log.add({.time = now - 1'000'000 - i % 100 * 1000, .source = "s"});
  log.add({.time = now - 60'000'000, .action = "STOP", .action_class = codec::ActionClass::kLogControl, .source = "s"});
  const LogCoverage found = good(log.engine().log_coverage({}));
  REQUIRE(found.sources.size() == 1);
  const SourceCoverage& source = found.sources[0];
  CHECK(source.lag_p50_ms == 1050);
  CHECK(source.lag_p99_ms == 1099);
  CHECK(source.lag_max_ms == 60'000);
  CHECK(source.steps_total == 1);
  REQUIRE(source.steps.size() == 1);
  CHECK(source.steps[0].seq == Row{200});
  CHECK(source.steps[0].back_us == 60'000'000 - 1'000'000 - 99'000);
  CHECK(source.log_control == std::vector<Row>{Row{200}});
  CHECK_FALSE(source.numbered);
  CHECK(found.purged.empty());
  CHECK(found.parked == 0);
  LogCoverageRequest empty;
  empty.from = now + 1'000'000;
  CHECK(good(log.engine().log_coverage(empty)).sources.empty());
}
