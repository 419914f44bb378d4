// Work shared among threads: results in order, leftovers done once, and the same report whatever the number. And where
// old rows stand, as an incremental run is told.
#include <mutex>
#include <set>
#include <thread>

#include "engine/index/format.h"
#include "engine/verify/spare_rows.h"
#include "engine/verify/trusted_places.h"
#include "tests/engine/verify/forge.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

TEST_CASE("in order: results come in order, each leftover is done once, and a job may wait for one in front of it") {
  constexpr size_t kJobs = 200;
  for (const size_t threads : {1, 2, 3, 8}) {
    std::array<std::atomic<int>, kJobs> left{};
    std::atomic<size_t> consumed{0};
    std::atomic<bool> at_once{true};
    size_t next = 0;
    {
      verify::Leftovers leftovers;
      verify::Crew crew(threads);
      verify::in_order<size_t>(
          crew, kJobs,
          [&](size_t i) {
            // The last of every ten is needed by those behind it, as registry/ is by logs/.
            for (size_t seen = consumed; seen < i / 10 * 10; seen = consumed) consumed.wait(seen);
            leftovers.leave([&left, i] { ++left[i]; });
            at_once = at_once && (left[i] == 1 || i + 3 * threads + 3 >= kJobs);  // while there is enough to do
            return i * i;
          },
          [&](size_t i, size_t result) {
            CHECK(i == next++);
            CHECK(result == i * i);
            ++consumed;
            consumed.notify_all();
            return true;
          },
          &leftovers);
    }
    CHECK(next == kJobs);
    CHECK(at_once);
    CHECK(std::all_of(left.begin(), left.end(), [](const std::atomic<int>& times) { return times == 1; }));
  }
}

TEST_CASE("in order: it ends when its consumer says so, with leftovers undone") {
  for (const size_t threads : {1, 2, 5}) {
    verify::Leftovers leftovers;
    std::vector<size_t> seen;
    verify::Crew crew(threads);
    verify::in_order<size_t>(
        crew, 100,
        [&](size_t i) {
          leftovers.leave([] {});
          return i;
        },
        [&](size_t i, size_t) {
          seen.push_back(i);
          return i < 7;
        },
        &leftovers);
    CHECK(seen == std::vector<size_t>{0, 1, 2, 3, 4, 5, 6, 7});
  }
}

TEST_CASE("crew: one in_order after another works on the same threads, also behind one that ended early") {
  verify::Crew crew(3);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  for (int round = 0; round < 20; ++round) {
    size_t seen = 0;
    verify::in_order<size_t>(
        crew, 30,
        [&](size_t i) {
          const std::lock_guard lock(mutex);
          threads.insert(std::this_thread::get_id());
          return i;
        },
        [&](size_t, size_t) { return ++seen != 11 || round % 2 == 0; });
    CHECK(seen == (round % 2 == 0 ? 30 : 11));
  }
  CHECK(threads.size() <= 3);
  CHECK(!threads.contains(std::this_thread::get_id()));
}

// One segment with runs of 512 rows, of which the state has seen some.
struct Grown {
  Grown() {
    rig.index_segments(kRun);
    grow(9 * kRun + 100);
    state = *rig.verify().state;
    grow(kRun);
  }
  // In commits of so many events.
  void grow(size_t events) {
    const auto writer = rig.open();
    REQUIRE(writer.ok());
    while (events > 0) {
      std::vector<ingest::Batch> kept;  // the events borrow from these
      ingest::Batch all;
      for (; events > 0 && kept.size() < 200; --events, ++rows) {
        kept.push_back(rig.batch("e-" + std::to_string(rows)));
        rig.submit_remembered("e-" + std::to_string(rows));
        all.events.push_back(kept.back().events.front());
      }
      rig.clock().advance_us(1000);
      REQUIRE((*writer)->submit_and_wait(std::move(all)).ok());
    }
    (*writer)->wait_until_indexed();
    REQUIRE((*writer)->close().ok());
  }
  std::vector<codec::StatementRecord> statements() {
    std::vector<codec::StatementRecord> all;
    for (const ForgedFrame& row : rows_of(rig.disk(), segment_file(TableId::kMeta, 0))) {
      all.push_back(codec::decode_statement(row.payload).value());
    }
    return all;
  }
  static constexpr uint32_t kRun = 512;
  CrashRig rig;
  verify::State state;
  size_t rows = 0;
};

TEST_CASE("trusted places: the frames of rows whose run an earlier verification saw, and of no others") {
  Grown log;
  const auto root = log.rig.disk().directory("root");
  verify::Findings findings;
  const verify::HeadState head = verify::read_head_state(*root, findings).value();
  const verify::TablePlan plan = verify::plan_table(*root, TableId::kLogs, head, findings).value();
  const std::vector<codec::StatementRecord> statements = log.statements();
  const uint64_t stated = log.state.tables[index_of(TableId::kMeta)].size;
  REQUIRE(stated < statements.size());
  const std::vector<ForgedFrame> rows = rows_of(log.rig.disk(), segment_file(TableId::kLogs, 0));
  REQUIRE(rows.size() == log.rows);
  const auto places = [&](uint64_t stated_to) { return verify::trusted_places(plan, statements, stated_to); };
  const auto known = places(stated), later = places(UINT64_MAX), none = places(0);
  for (uint64_t row = 0; row < rows.size(); row += 37) {
    INFO(row);
    const auto there = std::optional(rows[row].offset);
    const bool in_run = row < 9 * Grown::kRun, in_later = row < rows.size() / Grown::kRun * Grown::kRun;
    CHECK(known({0}, row) == (in_run ? there : std::nullopt));
    CHECK(later({0}, row) == (in_later ? there : std::nullopt));
    CHECK_FALSE(none({0}, row).has_value());
    CHECK_FALSE(known({1}, row).has_value());
  }
  CHECK_FALSE(known({0}, UINT64_MAX).has_value());
  // One whose bytes are not those of its statement is not asked, nor one that is gone.
  const std::string second = "root/logs/" + index::run_name({{0}, 1}), third = "root/logs/" + index::run_name({{0}, 2});
  const uint64_t size = log.rig.disk().read(second).size();
  for (uint64_t at = 0; at < size; at += size / 7) {
    log.rig.disk().flip_bit(second, at);
    CHECK_FALSE(places(stated)({0}, Grown::kRun).has_value());
    log.rig.disk().flip_bit(second, at);
  }
  CHECK(places(stated)({0}, Grown::kRun).has_value());
  log.rig.disk().remove(third);
  CHECK_FALSE(places(stated)({0}, 2 * Grown::kRun).has_value());
}

TEST_CASE("verify since: a drawn row that was changed is found where it stands, with its index, without, and lied to") {
  Grown log;
  verify::Options options;
  options.since = log.state;
  options.reread_blocks = 1;
  const size_t block = 17;  // so far behind that its place is asked for
  options.seed = 0;
  const auto reads_block = [&](CrashRig& rig) {
    const verify::Report report = rig.verify(options);
    return report.verdict == verify::Verdict::kFail;
  };
  CrashRig changed(log.rig.disk().clone(), 1);
  rewrite_row(changed.disk(), TableId::kLogs, 0, block * 256 + 3);
  while (!reads_block(changed) && *options.seed < 1000) ++*options.seed;
  REQUIRE(*options.seed < 1000);
  CHECK(log.rig.verify(options).verdict == verify::Verdict::kPass);
  const std::string run = "root/logs/" + index::run_name({{0}, block * 256 / Grown::kRun});
  for (const bool gone : {true, false}) {  // then the walk is from the front
    for (CrashRig* rig : {&changed, &log.rig}) {
      CrashRig other(rig->disk().clone(), 1);
      if (gone) {
        other.disk().remove(run);
      } else {
        other.disk().flip_bit(run, 200);
      }
      CHECK(reads_block(other) == (rig == &changed));
    }
  }
  const verify::Report report = changed.verify(options);
  INFO(describe(report));
  REQUIRE(report.first_break.has_value());
  CHECK(report.first_break->code == "leaf-mismatch");
  CHECK(report.first_break->row == Row{block * 256 + 3});
  CHECK(report.first_break->offset == rows_of(changed.disk(), segment_file(TableId::kLogs, 0))[block * 256 + 3].offset);
}

TEST_CASE("verify since: the report does not depend on the number of threads") {
  Grown log;
  FakeDisk& disk = log.rig.disk();
  const size_t rows = log.rows;
  for (const size_t row : {size_t{300}, size_t{4400}, rows - 400, rows - 1}) rewrite_row(disk, TableId::kLogs, 0, row);
  rewrite_row(disk, TableId::kRegistry, 0, 3);
  disk.flip_bit("root/logs/" + index::run_name({{0}, 9}), 300);
  disk.edit("root/checkpoints.log", [](Buffer& bytes) { bytes[bytes.size() / 2] ^= 1; });
  for (const bool since : {true, false}) {
    verify::Options options;
    options.reread_blocks = 1000;
    options.seed = 3;
    if (since) options.since = log.state;
    options.threads = 1;
    const verify::Report first = log.rig.verify(options);
    INFO(describe(first));
    CHECK(first.findings.size() > 4);
    CHECK(first.scope == (since ? "since" : "full"));
    const std::string one = verify::to_json(first);
    for (const size_t threads : {2, 3, 8}) {
      options.threads = threads;
      CHECK(verify::to_json(log.rig.verify(options)) == one);
    }
  }
}

TEST_CASE("verify: memory of judged segments is kept for a few others, however many there were") {
  verify::SpareRows spare;
  for (int i = 0; i < 100; ++i) {
    verify::SegmentFacts facts;
    facts.leaves.resize(10);
    facts.offsets.resize(10);
    spare.leave(std::move(facts));
  }
  size_t kept = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<Hash> leaves;
    std::vector<uint64_t> offsets;
    spare.take(leaves, offsets);
    CHECK((leaves.empty() && offsets.empty()));
    kept += leaves.capacity() > 0 ? 1 : 0;
  }
  CHECK(kept == verify::SpareRows::kKeptMax);
}

}  // namespace
}  // namespace khipu::tests
