// What readers say about rows that retention let go: PURGED with since when and by which statement, a stated overlap,
// and never a short answer that looks whole.
#include "tests/engine/query/test_log.h"

namespace khipu::query::tests {
namespace {

// 200 events, one second apart, in segments of a few rows each.
std::unique_ptr<TestLog> long_log() {
  auto log = std::make_unique<TestLog>(4096);
  for (int i = 0; i < 200; ++i) {
    log->clock().advance_us(1000000);
    log->add(Spec{});
  }
  return log;
}

EventPage all(TestLog& log, const Filter& filter = {}, const std::string& cursor = {}, uint32_t limit = 500) {
  EventRequest request;
  if (cursor.empty()) request.filter = filter;
  request.cursor = cursor;
  request.limit = limit;
  return good(log.engine().events(request));
}

TEST_CASE("retention: an answer that meets purged time says so, with since when and by which statement") {
  const auto log = long_log();
  log->clock().advance_us(3600LL * 1000000);
  const TimeUs purged_at = log->clock().now();
  REQUIRE(log->purge(10000).segments > 5);
  const auto snapshot = log->store().snapshot().value();
  const uint64_t first = snapshot->meta().retained(TableId::kLogs).value;
  REQUIRE(first > 50);
  REQUIRE(first < 200);

  const EventPage page = all(*log);
  CHECK(page.total == 200 - first);
  CHECK(page.rows.size() == 200 - first);
  CHECK(page.coverage.first_seq == Row{first});
  CHECK(page.coverage.purged_rows == first);
  CHECK(page.coverage.purged_at == purged_at);
  CHECK(page.coverage.purged_overlap);
  CHECK_FALSE(page.coverage.complete);
  CHECK(page.coverage.retained_from == kStart + static_cast<TimeUs>(first + 1) * 1000000);
  REQUIRE(page.notes.size() == 1);
  CHECK(page.notes[0].code == "PURGED");
  CHECK_THAT(page.notes[0].text, ContainsSubstring("not retained since"));
  CHECK_THAT(page.notes[0].text, ContainsSubstring("RETENTION, meta row"));

  // A window behind all that was purged, and behind how far an event's own time may lie ahead, is whole.
  Filter behind;
  behind.from = kStart + static_cast<TimeUs>(first) * 1000000 + 601LL * 1000000;
  CHECK_FALSE(all(*log, behind).coverage.purged_overlap);
  CHECK(all(*log, behind).coverage.complete);
  Filter recorded;
  recorded.axis = Axis::kRecorded;
  recorded.from = kStart + static_cast<TimeUs>(first + 1) * 1000000;
  CHECK_FALSE(all(*log, recorded).coverage.purged_overlap);
  recorded.from = *recorded.from - 1000000;
  CHECK(all(*log, recorded).coverage.purged_overlap);
  recorded.from.reset();
  recorded.to = kStart;
  CHECK_FALSE(all(*log, recorded).coverage.purged_overlap);
}

TEST_CASE("retention: a purged event is PURGED with its date, and its leaf hash is still committed") {
  const auto log = long_log();
  log->purge(10000);
  const auto answer = log->engine().event({3});
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code == "PURGED");
  CHECK_THAT(answer.error().hint, ContainsSubstring("seq 3 was purged on 2026-06-15T"));
  CHECK_THAT(answer.error().hint, ContainsSubstring("its leaf hash is still committed"));
  const auto snapshot = log->store().snapshot().value();
  const uint64_t first = snapshot->meta().retained(TableId::kLogs).value;
  CHECK(good(log->engine().event({first})).event);
  CHECK(good(log->engine().event({first}, 3)).before.empty());  // neighbours that are gone are not looked for
  CHECK(snapshot->record(TableId::kLogs, {3}).error().code == Code::kPurged);
  const auto scanned = snapshot->scan(TableId::kLogs, {first - 1}, {first + 1}, snapshot::Order::kAscending,
                                      [](const snapshot::ScannedRow&) { return true; });
  REQUIRE_FALSE(scanned.ok());
  CHECK(scanned.error().code == Code::kPurged);
}

TEST_CASE("retention: who changed an entity is unknown when that event is purged, and the history says why") {
  const auto log = std::make_unique<TestLog>(4096);
  Spec renamed;
  renamed.targets = {doc("d-1", "draft")};
  log->add(renamed);
  for (int i = 0; i < 100; ++i) log->add(Spec{});
  renamed.targets = {doc("d-1", "final")};
  log->add(renamed);
  log->purge(6000);
  HistoryRequest request;
  request.entity = "doc:d-1";
  const History history = good(log->engine().history(request));
  REQUIRE(history.versions.size() == 2);
  CHECK_FALSE(history.versions[0].changed_by);
  CHECK(history.versions[1].changed_by);
  REQUIRE(history.notes.size() == 1);
  CHECK(history.notes[0].code == "PURGED");
}

TEST_CASE("retention: a segment unlinked under a live snapshot answers PURGED, never a short result") {
  const auto log = long_log();
  const auto other_process = snapshot::Store::open(log->disk().directory("root")).value();
  const auto held = other_process->snapshot().value();  // has read nothing of logs/ but the commit
  const auto swept = log->purge(10000);
  CHECK(swept.waited_out);  // the reader held its slot through the whole wait
  uint64_t met = 0;
  const auto scanned = held->scan(TableId::kLogs, {0}, {200}, snapshot::Order::kAscending,
                                  [&](const snapshot::ScannedRow&) { return ++met > 0; });
  REQUIRE_FALSE(scanned.ok());
  CHECK(scanned.error().code == Code::kPurged);
  CHECK_THAT(scanned.error().message, ContainsSubstring("not retained since"));
  CHECK(met == 0);
  const auto one = held->record(TableId::kLogs, {0});
  REQUIRE_FALSE(one.ok());
  CHECK(one.error().code == Code::kPurged);
  CHECK(held->record(TableId::kLogs, {199}).value().intact);
}

TEST_CASE("retention: a reader that lets go in time is waited for and loses nothing") {
  const auto log = long_log();
  const auto other_process = snapshot::Store::open(log->disk().directory("root")).value();
  auto held = other_process->snapshot().value();
  writer::RetainerOptions options;
  int pauses = 0;
  options.pause = [&](int64_t) {
    CHECK(held->record(TableId::kLogs, {0}).value().intact);  // still there while we hold the slot
    if (++pauses == 3) held.reset();
    return true;
  };
  auto retainer = writer::Retainer::open(log->disk().directory("root"), log->writer(), log->clock(), options).value();
  REQUIRE(retainer->decide(TableId::kLogs, {std::nullopt, 10000}, "test").value().commit);
  // The statement is committed, no file is gone yet: new readers leave the rows out all the same.
  CHECK(log->disk().exists("root/logs/seg-0000000000.log"));
  CHECK(all(*log).coverage.purged_rows > 0);
  const auto swept = retainer->sweep().value();
  CHECK(pauses == 3);
  CHECK_FALSE(swept.waited_out);
  CHECK(swept.segments > 5);
  CHECK_FALSE(log->disk().exists("root/logs/seg-0000000000.log"));
}

TEST_CASE("retention: a cursor whose rows were purged has expired, one whose rows are there goes on") {
  const auto log = long_log();
  EventRequest request;
  request.filter = Filter{};
  request.order.descending = false;
  request.limit = 10;
  const EventPage first = good(log->engine().events(request));
  REQUIRE(first.cursor);
  log->purge(10000);
  request = {};
  request.cursor = *first.cursor;
  const auto expired = log->engine().events(request);
  REQUIRE_FALSE(expired.ok());
  CHECK(expired.error().code == "CURSOR_EXPIRED");
}

TEST_CASE("retention: a segment missing behind the purged ones is still a finding") {
  const auto log = long_log();
  log->purge(10000);
  const auto snapshot = log->store().snapshot().value();
  const auto number = snapshot->segments(TableId::kLogs).front().number;
  log->restart();
  log->disk().remove("root/logs/" + segment::segment_name(number));
  const EventPage page = all(*log);
  REQUIRE_FALSE(page.findings.empty());
  for (const Finding& finding : page.findings) CHECK(finding.code == "segment-missing");
  CHECK_FALSE(page.coverage.complete);
}

TEST_CASE("retention: the next snapshot reads only the statements that came since, and shares the rest") {
  const auto log = long_log();
  const auto before = log->store().snapshot().value();
  log->add(Spec{});
  const auto after = log->store().snapshot().value();
  REQUIRE(after != before);
  CHECK(&after->schema() == &before->schema());
  uint64_t statements = 0;
  REQUIRE(
      after->each_statement([&](Row row, const codec::StatementRecord&) { CHECK(row.value == statements++); }).ok());
  CHECK(statements == after->size(TableId::kMeta));
  CHECK(after->meta().rows() == statements);
  CHECK(after->meta().count(codec::StatementType::kGenesis) == 1);
}

}  // namespace
}  // namespace khipu::query::tests
