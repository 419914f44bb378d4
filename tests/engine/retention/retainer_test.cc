// Retention carried out: scenario 22, holds, the stepped clock, damage that stays, interrupted runs, replay of what is
// left. The log is small; the judge of crashes is tests/crash/retention_test.cc.
#include "engine/writer/retainer.h"

#include <fmt/format.h>

#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_disk.h"
#include "tests/support/fake_random.h"

namespace khipu::writer {
namespace {

constexpr TimeUs kDay = 86400LL * 1000000;

struct Root {
  tests::FakeDisk disk;
  tests::FakeClock clock;
  tests::FakeRandom random;
  std::unique_ptr<os::Directory> root = disk.directory("root"), keys = disk.directory("keys");
  std::vector<std::unique_ptr<snapshot::Store>> stores;  // outlive their snapshots
  std::unique_ptr<Writer> writer;
  std::unique_ptr<Retainer> retainer;
  bool go_on = true;

  explicit Root(uint64_t segment_size_bytes = 4096) {
    REQUIRE(initialize({*root, *keys, clock, random}, {"example.org/retention"}).ok());
    open(segment_size_bytes);
  }
  void open(uint64_t segment_size_bytes = 4096) {
    Options options;
    options.sync = SyncPolicy::kAlways;
    options.segment_size_bytes = segment_size_bytes;
    options.index_segments = false;  // segments are tiny here: INDEX commits would outweigh the events
    auto opened = Writer::open({*root, *keys, clock, random}, options);
    INFO((opened.ok() ? "" : opened.error().message));
    REQUIRE(opened.ok());
    writer = std::move(opened).value();
    RetainerOptions how;
    how.pause = [this](int64_t us) {
      clock.advance_us(us);
      return go_on;
    };
    retainer = Retainer::open(disk.directory("root"), *writer, clock, how).value();
  }
  void reopen() {
    retainer.reset();
    REQUIRE(writer->close().ok());
    writer.reset();
    open();
  }
  Result<Receipt> add(const std::string& content, const std::string& key = {}) {
    ingest::Batch batch;
    ingest::Event event;
    event.actor.type = "user";
    event.actor.id = "u-1";
    event.action = "PUT";
    event.content_kind = codec::ContentKind::kText;
    event.content = batch.keep(as_bytes(content));
    if (!key.empty()) batch.key = ingest::IdempotencyKey{"test", key, Hash{1}};
    batch.events.push_back(event);
    return writer->submit_and_wait(std::move(batch));
  }
  std::shared_ptr<const snapshot::Snapshot> snapshot() {
    stores.push_back(snapshot::Store::open(disk.directory("root")).value());
    return stores.back()->snapshot().value();
  }
  uint64_t held_bytes() {
    uint64_t sum = 0;
    for (const std::string& path : disk.files()) {
      if (path.starts_with("root/logs/seg-")) sum += disk.read(path).size();
    }
    return sum;
  }
};

TEST_CASE("retention, scenario 22: rows older than the age leave, fresh ones stay") {
  Root root;
  for (int i = 0; i < 40; ++i) REQUIRE(root.add(std::string(512, 'o')).ok());
  root.clock.advance_us(30 * kDay);
  for (int i = 0; i < 12; ++i) REQUIRE(root.add(std::string(512, 'f')).ok());
  const auto decided = root.retainer->decide(TableId::kLogs, {7ULL * 86400, std::nullopt}, "test").value();
  REQUIRE(decided.commit);
  CHECK(decided.plan.rows >= 35);
  const auto swept = root.retainer->sweep().value();
  CHECK(swept.segments == decided.plan.going.size());
  const auto snapshot = root.snapshot();
  CHECK(snapshot->size(TableId::kLogs) == 52);  // the tree keeps its size
  const Row first = snapshot->meta().retained(TableId::kLogs);
  CHECK(first == decided.plan.to());
  CHECK(first.value <= 40);
  for (uint64_t row = first.value; row < 52; ++row) CHECK(snapshot->record(TableId::kLogs, {row}).value().intact);
  // Again: nothing more to do, and nothing is said.
  CHECK_FALSE(root.retainer->decide(TableId::kLogs, {7ULL * 86400, std::nullopt}, "test").value().commit);
}

TEST_CASE("retention, scenario 22: a byte budget lets the oldest go, and a long age beside it changes nothing") {
  for (const retention::Policy policy :
       {retention::Policy{std::nullopt, 16 << 10}, retention::Policy{10ULL * 366 * 86400, 8 << 10}}) {
    Root root;
    for (int i = 0; i < 200; ++i) REQUIRE(root.add(std::string(512, 'x')).ok());
    REQUIRE(root.held_bytes() > 100000);
    REQUIRE(root.retainer->decide(TableId::kLogs, policy, "test").value().commit);
    REQUIRE(root.retainer->sweep().ok());
    CHECK(root.held_bytes() <= *policy.max_bytes);
    CHECK(root.snapshot()->record(TableId::kLogs, {199}).value().intact);
    CHECK_FALSE(root.disk.exists("root/logs/seg-0000000000.log"));
  }
}

TEST_CASE("retention, scenario 22: no limit, nothing is dropped") {
  Root root;
  for (int i = 0; i < 50; ++i) REQUIRE(root.add(std::string(512, 'x')).ok());
  CHECK_FALSE(root.retainer->decide(TableId::kLogs, {}, "test").value().commit);
  CHECK(root.retainer->sweep().value().segments == 0);
}

TEST_CASE("retention: a hold forbids it until it is lifted, also one that is set between plan and statement") {
  Root root;
  for (int i = 0; i < 60; ++i) REQUIRE(root.add(std::string(512, 'x')).ok());
  const codec::Hold hold{"case-7", true, "litigation", "test"};
  REQUIRE(root.writer->append_and_publish(hold).ok());
  CHECK(root.writer->append_and_publish(hold).error().code == Code::kConflict);
  CHECK(root.writer->append_and_publish(codec::Hold{"other", false, "", "test"}).error().code == Code::kNotFound);
  const auto kept = root.retainer->decide(TableId::kLogs, {std::nullopt, 4096}, "test").value();
  CHECK_FALSE(kept.commit);
  REQUIRE(kept.plan.kept_because.size() == 1);
  CHECK(kept.plan.kept_because[0] == "hold \"case-7\" is set");
  codec::Retention statement;
  statement.to = {5};
  statement.policy = statement.by = "test";
  CHECK(root.writer->append_and_publish(statement).error().code == Code::kConflict);
  root.reopen();  // holds are remembered
  CHECK_FALSE(root.retainer->decide(TableId::kLogs, {std::nullopt, 4096}, "test").value().commit);
  REQUIRE(root.writer->append_and_publish(codec::Hold{"case-7", false, "settled", "test"}).ok());
  CHECK(root.snapshot()->meta().holds().empty());
  CHECK(root.retainer->decide(TableId::kLogs, {std::nullopt, 4096}, "test").value().commit);
}

TEST_CASE("retention: overlap is refused by the writer") {
  Root root;
  for (int i = 0; i < 60; ++i) REQUIRE(root.add(std::string(512, 'x')).ok());
  const auto decided = root.retainer->decide(TableId::kLogs, {std::nullopt, 10000}, "test").value();
  REQUIRE(decided.commit);
  for (const Row from : {Row{0}, Row{decided.plan.to().value - 1}, decided.plan.to().next()}) {
    codec::Retention statement;
    statement.from = from;
    statement.to = {59};
    statement.policy = statement.by = "test";
    CHECK(root.writer->append_and_publish(statement).error().code == Code::kConflict);
  }
}

TEST_CASE("retention: by age it is suspended while the clock counts as stepped") {
  Root root;
  for (int i = 0; i < 40; ++i) REQUIRE(root.add(std::string(512, 'x')).ok());
  root.clock.set_wall(root.clock.now() + 4000 * kDay);
  const retention::Policy policy{30ULL * 86400, std::nullopt};
  const auto kept = root.retainer->decide(TableId::kLogs, policy, "test").value();  // the writer has noticed
  CHECK_FALSE(kept.commit);
  CHECK(kept.plan.kept_because.size() == 1);
  REQUIRE(root.writer->append_and_publish(codec::Clock{codec::ClockEvent::kCleared, 0, root.clock.now(), "root"}).ok());
  CHECK(root.retainer->decide(TableId::kLogs, policy, "test").value().commit);
}

TEST_CASE("retention: what is damaged stays, as evidence, and the message says where") {
  Root root;
  for (int i = 0; i < 60; ++i) REQUIRE(root.add(std::string(512, 'x')).ok());
  root.disk.edit("root/logs/seg-0000000002.log", [](Buffer& bytes) {
    const size_t content = as_text(bytes).find("xxxx");
    REQUIRE(content != std::string_view::npos);
    bytes[content] ^= 1;
  });
  const auto refused = root.retainer->decide(TableId::kLogs, {std::nullopt, 4096}, "test");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kCorrupt);
  CHECK_THAT(refused.error().message, ContainsSubstring("nothing was removed"));
  CHECK(root.snapshot()->meta().purges(TableId::kLogs).empty());
}

TEST_CASE("retention: a record is not older because the manifest says so") {
  Root root;
  for (int i = 0; i < 60; ++i) REQUIRE(root.add(std::string(512, 'x')).ok());
  root.disk.edit("root/logs/manifest", [](Buffer& file) {
    for (size_t at = 0; at < file.size(); at += segment::kManifestEntrySize) {
      auto entry = segment::parse_manifest_entry(Bytes(file).subspan(at, segment::kManifestEntrySize)).value();
      entry.footer.recorded_first = entry.footer.recorded_last = 1000000;
      const auto bytes = segment::encode_manifest_entry(entry);
      std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<ptrdiff_t>(at));
    }
  });
  root.reopen();
  const auto refused = root.retainer->decide(TableId::kLogs, {30ULL * 86400, std::nullopt}, "test");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kCorrupt);
  CHECK_THAT(refused.error().message, ContainsSubstring("manifest-mismatch"));
  CHECK(root.snapshot()->meta().purges(TableId::kLogs).empty());
}

TEST_CASE("retention: told to stop while it waits, it goes on at the next start") {
  Root root;
  for (int i = 0; i < 60; ++i) REQUIRE(root.add(std::string(512, 'x')).ok());
  const auto reader = snapshot::Store::open(root.disk.directory("root")).value();
  auto held = reader->snapshot().value();
  REQUIRE(root.retainer->decide(TableId::kLogs, {std::nullopt, 10000}, "test").value().commit);
  root.go_on = false;
  const auto stopped = root.retainer->sweep().value();
  CHECK(stopped.stopped);
  CHECK(stopped.segments == 0);
  CHECK(root.disk.exists("root/logs/seg-0000000000.log"));
  held.reset();
  root.go_on = true;
  root.reopen();
  CHECK(root.retainer->sweep().value().segments > 0);
  CHECK_FALSE(root.disk.exists("root/logs/seg-0000000000.log"));
}

TEST_CASE("retention: the epoch skips slots that readers hold") {
  Root root;
  for (int i = 0; i < 60; ++i) REQUIRE(root.add(std::string(512, 'x')).ok());
  const uint64_t epoch = root.writer->status().head.epoch.value;
  const auto stale = os::ReaderSlot::acquire(*root.root, {epoch + 1});
  REQUIRE(stale.ok());
  CHECK(root.writer->raise_epoch().value() == Epoch{epoch + 2});
  CHECK(root.snapshot()->head().epoch == Epoch{epoch + 2});
  CHECK(root.writer->raise_epoch().value() == Epoch{epoch + 3});
}

TEST_CASE("retention: a log whose oldest segments are gone opens, replays its keys and goes on") {
  Root root;
  for (int i = 0; i < 60; ++i) REQUIRE(root.add(std::string(512, 'x'), "key-" + std::to_string(i)).ok());
  REQUIRE(root.retainer->decide(TableId::kLogs, {std::nullopt, 10000}, "test").value().commit);
  REQUIRE(root.retainer->sweep().ok());
  root.reopen();
  CHECK(root.add(std::string(512, 'x'), "key-3").value().duplicate);  // known from the cache
  root.disk.remove("root/idempotency.log");
  root.reopen();
  CHECK(root.add(std::string(512, 'x'), "key-59").value().duplicate);  // known from the records
  CHECK_FALSE(root.add("new", "key-60").value().duplicate);
  CHECK(root.snapshot()->size(TableId::kLogs) == 61);
}

}  // namespace
}  // namespace khipu::writer
