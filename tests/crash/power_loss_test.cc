// Simulated power loss: every unsynced write independently kept, lost or torn; twice in a row; and during recovery.
// What the disk may then hold is FakeDisk's, whose semantics are those of the commit model.
#include <random>

#include "tests/crash/harness.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

// More by hand: KHIPU_CRASH_SEEDS=5000.
uint64_t seeds() {
  const char* more = std::getenv("KHIPU_CRASH_SEEDS");
  return more == nullptr ? 60 : std::strtoull(more, nullptr, 10);
}

// A life that ends at some operation, then what is left of it on the disk.
void interrupted_life(CrashRig& rig, std::mt19937_64& random, uint64_t segment) {
  rig.disk().crash_after_nth(1 + random() % 260);
  const Result<void> lived = rig.life(2 + random() % 12, segment);
  if (lived.ok()) rig.disk().clear_faults();
  rig.disk().power_loss(random());
}

void must_stand(CrashRig& rig, uint64_t segment) {
  const verify::Report before = rig.verify();
  INFO("before recovery: " << describe(before));
  REQUIRE(before.verdict == verify::Verdict::kPass);
  const Result<void> lived = rig.life(1, segment);
  INFO((lived.ok() ? "reopened" : lived.error().message));
  REQUIRE(lived.ok());
  REQUIRE(rig.judge() == "");
}

TEST_CASE("power loss: whatever was not synced is kept, lost or torn, and nothing acknowledged is lost") {
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const uint64_t segment = 1500 + random() % 6000;
    CrashRig rig;
    if (seed % 3 == 0) rig.commit_with(writer::SyncPolicy::kGroup);
    if (seed % 3 == 1) rig.line_up();
    interrupted_life(rig, random, segment);
    must_stand(rig, segment);
  }
}

// Found by longer runs: seed 203, a table sealed behind a commit whose HEAD was lost, and recovery cut the footer off;
// seed 72 of failed syncs, a tree file whose name was never synced, which the next process took for granted.
TEST_CASE("power loss: a HEAD lost behind a seal does not cost the sealed segment its footer (I9)") {
  CrashRig rig;
  REQUIRE(rig.life(2, 1 << 20).ok());
  const Buffer head = rig.disk().read("root/HEAD");
  // registry/ alone grows to its limit and is sealed, that of logs/ is not; nothing gets behind the seal.
  {
    auto writer = rig.open(20000);
    REQUIRE(writer.ok());
    rig.disk().fail_when(
        [](const DiskEvent& event) {
          return event.path == "root/registry/seg-0000000001.log" && event.operation == DiskOperation::kWrite &&
                 event.offset == segment::kHeaderSize;
        },
        Code::kIo);
    for (int i = 0; i < 5; ++i) (void)rig.submit(**writer, "x-" + std::to_string(i), std::string(5000, 'n')).ok();
    CHECK_FALSE((*writer)->status().poisoned.empty());
  }
  rig.disk().crash_process();
  REQUIRE_FALSE(rig.disk().exists("root/logs/seg-0000000001.log"));
  REQUIRE(rig.disk().exists("root/registry/seg-0000000001.log"));
  rig.disk().put("root/HEAD", head);
  const Buffer sealed = rig.disk().read("root/registry/seg-0000000000.log");
  REQUIRE(rig.life(1, 1 << 20).ok());
  CHECK(rig.disk().read("root/registry/seg-0000000000.log") == sealed);
  CHECK(rig.judge() == "");
}

TEST_CASE("power loss: twice in a row, with a life between") {
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const uint64_t segment = 1500 + random() % 6000;
    CrashRig rig;
    interrupted_life(rig, random, segment);
    interrupted_life(rig, random, segment);
    must_stand(rig, segment);
  }
}

TEST_CASE("power loss: during recovery, again and again") {
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const uint64_t segment = 1500 + random() % 6000;
    CrashRig rig;
    interrupted_life(rig, random, segment);
    for (int i = 0; i < 3; ++i) {
      rig.disk().crash_after_nth(random() % 40);
      const auto opened = rig.open(segment);
      INFO((opened.ok() ? "" : opened.error().message));
      CHECK((opened.ok() || opened.error().code != Code::kCorrupt));  // A4: recovery never refuses without damage
      rig.disk().power_loss(random());
    }
    must_stand(rig, segment);
  }
}

TEST_CASE("power loss: after failed syncs, whose pages the kernel calls clean") {
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const uint64_t segment = 1500 + random() % 6000;
    CrashRig rig;
    uint64_t wait = random() % 30;
    rig.disk().fail_when(
        [&](const DiskEvent& event) {
          const bool sync = event.operation == DiskOperation::kSyncData || event.operation == DiskOperation::kSync;
          return sync && wait-- == 0;
        },
        Code::kIo);
    (void)rig.life(8, segment).ok();
    rig.disk().crash_process();  // the cache is kept: recovery sees more than the disk holds
    rig.disk().crash_after_nth(random() % 120);
    (void)rig.life(3, segment).ok();
    rig.disk().power_loss(random());
    must_stand(rig, segment);
  }
}

}  // namespace
}  // namespace khipu::tests
