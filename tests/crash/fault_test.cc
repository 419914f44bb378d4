// Every write, sync, rename, unlink, truncate and preallocation of an open, of commits, of seals and of a close fails
// in turn, or is the last thing that happens. Afterwards: the writer opens, verify passes, every acknowledged event is
// there exactly once with its targets, and an unanswered one is there whole or not at all (P1, P2).
#include "tests/crash/outlive.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 3000;  // bytes: a seal every few events
constexpr size_t kEvents = 7;

// A log that has sealed segments, a clean end and a busy past.
CrashRig& prepared() {
  static CrashRig& rig = []() -> CrashRig& {
    static CrashRig made;
    const Result<void> lived = made.life(9, kSegment);
    INFO((lived.ok() ? "" : lived.error().message));
    REQUIRE(lived.ok());
    REQUIRE(made.judge().empty());
    return made;
  }();
  return rig;
}

enum class Commits { kByCaller, kByThreads, kLinedUp };

void commit_as(CrashRig& rig, Commits commits) {
  if (commits == Commits::kByThreads) rig.commit_with(writer::SyncPolicy::kGroup);
  if (commits == Commits::kLinedUp) rig.line_up();
}

// How many operations such a life has.
uint64_t operations_of_a_life(Commits commits) {
  CrashRig rig(prepared().disk().clone(), 7);
  commit_as(rig, commits);
  rig.remember(prepared());
  REQUIRE(rig.life(kEvents, kSegment).ok());
  return rig.disk().operations();
}

void each_operation(Fault fault, bool power_lost) {
  const auto commits = GENERATE(Commits::kByCaller, Commits::kByThreads, Commits::kLinedUp);
  INFO("commits: " << (commits == Commits::kByCaller    ? "by the caller"
                       : commits == Commits::kByThreads ? "by the writer's threads"
                                                        : "lined up"));
  const uint64_t operations = operations_of_a_life(commits);
  REQUIRE(operations > 50);
  each_cut(fault, power_lost, 1, operations, [&](const Cut& cut) {
    CrashRig rig(prepared().disk().clone(), 7);
    rig.remember(prepared());
    commit_as(rig, commits);
    outlive(
        rig, cut, [&] { return rig.life(kEvents, kSegment); }, [&] { return rig.life(2, kSegment); },
        [&] { REQUIRE(rig.judge() == ""); });
  });
}

TEST_CASE("crash: each operation of an open, commits, seals and a close fails with EIO") {
  each_operation(Fault::kIo, false);
}
TEST_CASE("crash: each operation fails with ENOSPC and half of its bytes written") {
  each_operation(Fault::kNoSpace, false);
}
TEST_CASE("crash: the process dies after each operation") { each_operation(Fault::kCrashAfter, false); }
TEST_CASE("crash: the process dies inside each operation") { each_operation(Fault::kCrashIn, false); }
TEST_CASE("crash: the machine loses power after each operation") { each_operation(Fault::kCrashAfter, true); }
TEST_CASE("crash: an operation fails and then the machine loses power") { each_operation(Fault::kIo, true); }

TEST_CASE("crash: a failed sync poisons the writer, and nothing more is acknowledged (REFERENCE 3.2 #18)") {
  CrashRig rig(prepared().disk().clone(), 7);
  rig.remember(prepared());
  auto writer = rig.open(kSegment);
  REQUIRE(writer.ok());
  REQUIRE(rig.submit(**writer, "p-1").ok());
  rig.disk().fail_when([](const DiskEvent& event) { return event.operation == DiskOperation::kSyncData; }, Code::kIo);
  CHECK_FALSE(rig.submit(**writer, "p-2").ok());
  const Result<writer::Receipt> later = rig.submit(**writer, "p-3");
  REQUIRE_FALSE(later.ok());
  CHECK(later.error().code == Code::kPoisoned);
  CHECK_FALSE((*writer)->status().poisoned.empty());
  writer->reset();
  // Readers go on: what was published before stands.
  CHECK(rig.judge() == "");
  rig.disk().crash_process();
  REQUIRE(rig.life(1, kSegment).ok());
  CHECK(rig.judge() == "");
}

TEST_CASE("crash: a retry after any failure stores the event once (REFERENCE 3.2 #17)") {
  for (uint64_t n = 1; n <= 60; n += 1) {
    CrashRig rig(prepared().disk().clone(), 7);
    rig.remember(prepared());
    auto keyed = [&](const std::string& id) {
      ingest::Batch batch = rig.batch(id);
      ingest::IdempotencyKey key;
      key.scope = "test";
      key.key = id;
      key.body[0] = 1;
      batch.key = key;
      return batch;
    };
    bool stored = false;
    {
      auto writer = rig.open(kSegment);
      REQUIRE(writer.ok());
      rig.disk().fail_nth(n, Code::kIo);
      const Result<writer::Receipt> first = (*writer)->submit_and_wait(keyed("retry"));
      stored = first.ok();
      rig.disk().clear_faults();
    }
    rig.disk().crash_process();
    auto writer = rig.open(kSegment);
    REQUIRE(writer.ok());
    const Result<writer::Receipt> second = (*writer)->submit_and_wait(keyed("retry"));
    REQUIRE(second.ok());
    if (stored) CHECK(second->duplicate);
    const Result<writer::Receipt> third = (*writer)->submit_and_wait(keyed("retry"));
    REQUIRE(third.ok());
    CHECK(third->duplicate);
    CHECK(third->first_seq == second->first_seq);
    REQUIRE((*writer)->close().ok());
    REQUIRE((rig.submit_remembered("retry"), rig.judge()) == "");
  }
}

}  // namespace
}  // namespace khipu::tests
