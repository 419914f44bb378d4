// The newest rows, which no index file covers: pieces indexed in memory, and the same answers with them as without.
#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

// 'i' for each part with an index, 's' for each one that is scanned; the parts together are all rows.
std::string parts_of(const snapshot::Snapshot& snapshot) {
  const snapshot::SegmentInfo& active = snapshot.segments(TableId::kLogs).back();
  std::string shape;
  uint64_t at = active.first_row.value;
  const auto parts = snapshot.parts(TableId::kLogs, active);
  REQUIRE(parts.ok());
  for (const snapshot::Part& part : *parts) {
    REQUIRE(part.first_row.value == at);
    if (part.index) REQUIRE(part.index->rows() == part.rows);
    at += part.rows;
    shape += (part.index ? "i" : "s") + std::to_string(part.rows) + " ";
  }
  REQUIRE(at == snapshot.size(TableId::kLogs));
  return shape;
}

std::vector<Spec> events(int from, int to) {
  std::vector<Spec> specs;
  for (int i = from; i < to; ++i) {
    specs.push_back(
        {.time = kStart - i % 7, .actor = user(i % 5 == 0 ? "u-a" : "u-b"), .action = i % 2 == 0 ? "GET" : "PUT"});
  }
  return specs;
}

EventRequest by_actor() {
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.actors = {"user:u-a"};
  request.limit = 100;
  return request;
}

}  // namespace

TEST_CASE("query: rows of the active segment are indexed in memory from the second question on, so many at a time") {
  TestLog log;
  log.add(events(0, 43));
  const auto first = log.store().snapshot().value();
  CHECK(parts_of(*first) == "s43 ");
  CHECK(parts_of(*first) == "i16 s27 ");
  CHECK(parts_of(*first) == "i16 i16 s11 ");
  CHECK(parts_of(*first) == "i16 i16 i4 i4 s3 ");
  CHECK(parts_of(*first) == "i16 i16 i4 i4 i3 ");  // it stands still: what is left is worth an index too
  log.add(events(43, 50));                         // the pieces of 4 become one of 16
  const auto second = log.store().snapshot().value();
  CHECK(parts_of(*second) == "i16 i16 i16 s2 ");
  CHECK(parts_of(*first) == "i16 i16 s11 ");  // which an older snapshot does not see to its end
}

TEST_CASE("query: rows that have runs are not indexed in memory again, and what lies behind them is") {
  TestLog log;
  log.add(events(0, 43));
  const auto without = log.store().snapshot().value();
  CHECK(parts_of(*without) == "s43 ");
  CHECK(parts_of(*without) == "i16 s27 ");
  CHECK(parts_of(*without) == "i16 i16 s11 ");
  log.wait_until_indexed();  // rows 0 to 31 get runs
  const auto with = log.store().snapshot().value();
  CHECK(parts_of(*with) == "i16 i16 i4 i4 s3 ");
  CHECK(parts_of(*without) == "s32 i4 i4 i3 ");  // which an older snapshot does not know
  log.add(events(43, 70));
  const auto more = log.store().snapshot().value();
  CHECK(parts_of(*more) == "i16 i16 i16 s22 ");
  CHECK(parts_of(*more) == "i16 i16 i16 i16 s6 ");
  log.wait_until_indexed();
  CHECK(parts_of(*log.store().snapshot().value()) == "i16 i16 i16 i16 i4 s2 ");
  const auto registry = more->parts(TableId::kRegistry, more->segments(TableId::kRegistry).back()).value();
  REQUIRE(registry.size() == 1);  // two users: too few for a run
  CHECK_FALSE(registry[0].index);
}

TEST_CASE("query: a process that asks once finds refs through the registry's runs and behind them, and nobody else") {
  TestLog log;
  for (int i = 0; i < 40; ++i) {
    log.add({.actor = user("u-" + std::to_string(i)), .targets = {doc("d-" + std::to_string(i % 7), "name")}});
  }
  log.wait_until_indexed();
  const auto snapshot = log.store().snapshot().value();
  const auto parts = snapshot->parts(TableId::kRegistry, snapshot->segments(TableId::kRegistry).back()).value();
  REQUIRE(parts.size() == 3);  // 47 versions: two runs and a rest
  CHECK((parts[0].index && parts[1].index && !parts[2].index));
  const auto total = [&](Engine& engine, std::vector<std::string> actors, std::vector<std::string> targets) {
    EventRequest request;
    request.filter = Filter{};
    request.filter->where.actors = std::move(actors);
    request.filter->where.targets = std::move(targets);
    const EventPage page = good(engine.events(request));
    REQUIRE(page.findings_total == 0);
    return page.total;
  };
  for (int i = 0; i < 40; ++i) {
    INFO(i);
    const auto engine = log.other_engine(9);
    REQUIRE(total(*engine, {"user:u-" + std::to_string(i)}, {"doc:d-" + std::to_string(i % 7)}) == 1);
    REQUIRE(total(*engine, {"user:u-" + std::to_string(i)}, {}) == 1);  // the second question
  }
  CHECK(total(*log.other_engine(9), {"user:nobody"}, {}) == 0);
  CHECK(total(*log.other_engine(9), {"u-3"}, {}) == 1);  // a plain id
}

TEST_CASE("query: the active segment answers alike while it is scanned, indexed, and growing") {
  TestLog log;
  uint64_t made = 0;
  for (int round = 0; round < 40; ++round) {
    log.add(events(round * 5, round * 5 + 1 + round % 5));
    made += 1;  // each round begins with an event of u-a
    for (int again = 0; again < 3; ++again) {
      const EventPage page = good(log.engine().events(by_actor()));
      REQUIRE(page.total == made);
      REQUIRE(page.rows.size() == made);
      REQUIRE(page.findings_total == 0);
      REQUIRE(seqs(good(log.other_engine(9)->events(by_actor()))) == seqs(page));
    }
  }
}

TEST_CASE("query: a damaged row of the active segment is found by every question, its piece is never indexed") {
  TestLog log;
  log.add(events(0, 30));
  const auto file = log.disk()
                        .directory("root")
                        ->open_directory("logs")
                        .value()
                        ->open_file("seg-0000000000.log", os::Mode::kReadWrite)
                        .value();
  Buffer bytes = file->read_all(1 << 24).value();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t at = text.find("PUT", text.find("PUT") + 1);  // the fourth event
  REQUIRE(at != std::string_view::npos);
  bytes[at] ^= 4;
  REQUIRE(file->write_at(0, bytes).ok());
  for (int again = 0; again < 4; ++again) {
    const EventPage page = good(log.engine().events(by_actor()));
    CHECK(page.total == 6);
    CHECK(page.total_is_lower_bound);
    REQUIRE(page.findings_total == 1);
    CHECK(page.findings.front().code == "frame-corrupt");
  }
  CHECK(parts_of(*log.store().snapshot().value()) == "s16 i4 i4 i4 i2 ");
}
