// Retention under faults: every operation of a life that lets segments go fails in turn, or is the last thing that
// happens. Afterwards: no segment is gone that no committed RETENTION names, the run is finished at the next start,
// verify passes, and every acknowledged event that is retained is there once with its targets.
#include "engine/writer/retainer.h"

#include <algorithm>

#include "tests/crash/outlive.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 3000;  // bytes: a seal every few events
constexpr uint64_t kBudget = 7000;   // two segments and a bit

std::unique_ptr<writer::Retainer> retainer(CrashRig& rig, writer::Writer& writer) {
  writer::RetainerOptions options;
  options.pause = [&rig](int64_t us) {
    rig.clock().advance_us(us);
    return true;
  };
  return writer::Retainer::open(rig.disk().directory("root"), writer, rig.clock(), options).value();
}

// What a start of `khipu serve` does: finish what was interrupted, write, let go, write.
Result<void> life_with_retention(CrashRig& rig, const std::string& name) {
  KHIPU_TRY_ASSIGN(const std::unique_ptr<writer::Writer> writer, rig.open(kSegment));
  const auto keeper = retainer(rig, *writer);
  KHIPU_TRY(keeper->sweep());
  for (int i = 0; i < 6; ++i) KHIPU_TRY(rig.submit(*writer, name + "-a" + std::to_string(i)));
  KHIPU_TRY(keeper->decide(TableId::kLogs, {std::nullopt, kBudget}, "test"));
  KHIPU_TRY(keeper->sweep());
  KHIPU_TRY(rig.submit(*writer, name + "-b"));
  return writer->close();
}

uint64_t segment_files(CrashRig& rig) {
  const std::vector<std::string> files = rig.disk().files();
  return static_cast<uint64_t>(std::count_if(
      files.begin(), files.end(), [](const std::string& path) { return path.starts_with("root/logs/seg-"); }));
}

CrashRig& prepared() {
  static CrashRig& rig = []() -> CrashRig& {
    static CrashRig made;
    REQUIRE(made.life(30, kSegment).ok());
    REQUIRE(made.judge() == "");
    return made;
  }();
  return rig;
}

void each_operation(Fault fault, bool power_lost) {
  uint64_t operations = 0;
  {
    CrashRig rig(prepared().disk().clone(), 7);
    rig.remember(prepared());
    const uint64_t before = segment_files(rig);
    const Result<void> lived = life_with_retention(rig, "n");
    INFO((lived.ok() ? "" : lived.error().message));
    REQUIRE(lived.ok());
    REQUIRE(segment_files(rig) < before);
    REQUIRE(rig.judge() == "");
    operations = rig.disk().operations();
  }
  // Operations of the opening are those of fault_test; the ones of retention are in the later half.
  each_cut(fault, power_lost, operations / 3, operations, [&](const Cut& cut) {
    CrashRig rig(prepared().disk().clone(), 7);
    rig.remember(prepared());
    outlive(
        rig, cut, [&] { return life_with_retention(rig, "f"); }, [&] { return life_with_retention(rig, "g"); },
        [&] {
          REQUIRE(rig.judge() == "");
          REQUIRE(segment_files(rig) <= 4);  // interrupted or not, the end is the same
        });
  });
}

TEST_CASE("crash: each operation of retention fails with EIO") { each_operation(Fault::kIo, false); }
TEST_CASE("crash: the process dies after each operation of retention") { each_operation(Fault::kCrashAfter, false); }
TEST_CASE("crash: the machine loses power after each operation of retention") {
  each_operation(Fault::kCrashAfter, true);
}
TEST_CASE("crash: the machine loses power inside each operation of retention") {
  each_operation(Fault::kCrashIn, true);
}

TEST_CASE("crash: retention keeps its order: statement synced and published, trees, HEAD, then the files (I8)") {
  CrashRig rig(prepared().disk().clone(), 7);
  rig.remember(prepared());
  auto writer = rig.open(kSegment);
  REQUIRE(writer.ok());
  const auto keeper = retainer(rig, **writer);
  rig.disk().clear_log();
  REQUIRE(keeper->decide(TableId::kLogs, {std::nullopt, kBudget}, "test").value().commit);
  REQUIRE(keeper->sweep().value().segments > 1);
  const std::vector<DiskEvent> log = rig.disk().log();
  const auto first = [&](size_t from, auto matches) {
    for (size_t i = from; i < log.size(); ++i) {
      if (matches(log[i])) return i;
    }
    FAIL("an operation is missing");
    return log.size();
  };
  const auto is = [](DiskOperation operation, std::string path) {
    return [operation, path](const DiskEvent& event) {
      return event.operation == operation && event.path.starts_with(path);
    };
  };
  const size_t statement = first(0, is(DiskOperation::kWrite, "root/meta/seg-"));
  const size_t meta_synced = first(statement, is(DiskOperation::kSyncData, "root/meta/seg-"));
  const size_t commit_synced = first(statement, is(DiskOperation::kSyncData, "root/logs/seg-"));
  const size_t state = first(std::max(meta_synced, commit_synced), is(DiskOperation::kRename, "root.keys/state"));
  const size_t notes = first(state, is(DiskOperation::kSync, "root/checkpoints.log"));
  const size_t tree = first(notes, is(DiskOperation::kSyncData, "root/logs/tree/0"));
  const size_t head = first(tree, is(DiskOperation::kWrite, "root/HEAD"));
  const size_t head_synced = first(head, is(DiskOperation::kSyncData, "root/HEAD"));
  const size_t unlinked = first(0, is(DiskOperation::kUnlink, "root/logs/seg-"));
  CHECK(unlinked > head_synced);
  first(unlinked, is(DiskOperation::kSyncDirectory, "root/logs"));
  CHECK(log.back().operation == DiskOperation::kSyncDirectory);
}

TEST_CASE(
    "crash: the key of an event that retention let go answers its repeat, though the process or the machine died") {
  for (const bool power_lost : {false, true}) {
    CrashRig rig;
    auto writer = rig.open(kSegment);
    REQUIRE(writer.ok());
    const auto keyed = [&rig] {
      ingest::Batch batch = rig.batch("paid");
      batch.event_keys = {{"source", "paid", Hash{7}}};
      return batch;
    };
    const Result<writer::Receipt> first = (*writer)->submit_and_wait(keyed());
    REQUIRE(first.ok());
    for (int i = 0; i < 30; ++i) REQUIRE(rig.submit(**writer, "e-" + std::to_string(i)).ok());
    const auto keeper = retainer(rig, **writer);
    REQUIRE(keeper->decide(TableId::kLogs, {std::nullopt, kBudget}, "test").value().commit);
    REQUIRE(keeper->sweep().value().segments > 1);
    REQUIRE_FALSE(rig.disk().exists("root/logs/seg-0000000000.log"));
    if (power_lost) {
      rig.disk().power_loss(3);
    } else {
      rig.disk().crash_process();
    }
    writer->reset();
    auto next = rig.open(kSegment);
    REQUIRE(next.ok());
    const Result<writer::Receipt> again = (*next)->submit_and_wait(keyed());
    REQUIRE(again.ok());
    CHECK(again->duplicate);
    CHECK(again->first_seq == first->first_seq);
  }
}

TEST_CASE("crash: both slots of HEAD are lost after retention, and recovery starts at the newest sealed segment") {
  CrashRig rig(prepared().disk().clone(), 7);
  rig.remember(prepared());
  REQUIRE(life_with_retention(rig, "h").ok());
  rig.disk().edit("root/HEAD", [](Buffer& bytes) { std::fill(bytes.begin(), bytes.end(), uint8_t{0}); });
  const Result<void> again = life_with_retention(rig, "i");
  INFO((again.ok() ? "" : again.error().message));
  REQUIRE(again.ok());
  CHECK(rig.judge() == "");
}

}  // namespace
}  // namespace khipu::tests
