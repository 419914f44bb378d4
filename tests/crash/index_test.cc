// Index files under faults: they are built behind the commits, on a thread of their own, so whatever fails while one is
// written costs nothing but the index. Afterwards verify passes, nothing acknowledged is lost, and the next start
// leaves every sealed segment with the index that its rows make.
#include "engine/index/format.h"

#include <algorithm>

#include "engine/segment/reader.h"
#include "engine/writer/retainer.h"
#include "tests/crash/harness.h"
#include "tests/support/catch.h"
#include "tests/support/thorough.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 3000;  // bytes: a seal every few events

uint64_t count(CrashRig& rig, const std::string& suffix) {
  const std::vector<std::string> files = rig.disk().files();
  return static_cast<uint64_t>(std::count_if(files.begin(), files.end(), [&](const std::string& path) {
    return path.starts_with("root/logs/seg-") && path.ends_with(suffix);
  }));
}
uint64_t indexes(CrashRig& rig) { return count(rig, ".idx"); }
uint64_t segments(CrashRig& rig) { return count(rig, ".log"); }

std::unique_ptr<CrashRig> made(size_t events) {
  auto rig = std::make_unique<CrashRig>();
  rig->index_segments();
  REQUIRE(rig->life(events, kSegment).ok());
  return rig;
}

// Opens once more: what the last moments of a life sealed is indexed by the next one. Sealed segments with rows by
// then.
uint64_t index_the_rest(CrashRig& rig) {
  auto writer = rig.open(kSegment);
  REQUIRE(writer.ok());
  (*writer)->wait_until_indexed();
  const auto manifest = segment::read_manifest(*rig.disk().directory("root")->open_directory("logs").value()).value();
  const auto sealed =
      static_cast<uint64_t>(std::count_if(manifest.entries.begin(), manifest.entries.end(),
                                          [](const segment::ManifestEntry& entry) { return entry.footer.rows > 0; }));
  CHECK((*writer)->status().index_error.empty());
  REQUIRE((*writer)->close().ok());
  return sealed;
}

bool passes(CrashRig& rig) {
  const verify::Report report = rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kPass);
  return report.verdict == verify::Verdict::kPass;
}

TEST_CASE("crash: every sealed segment gets an index, and one that was removed is built again, byte for byte") {
  const auto rig = made(30);
  REQUIRE(segments(*rig) > 4);
  const uint64_t sealed = index_the_rest(*rig);
  CHECK(indexes(*rig) == sealed);
  REQUIRE(passes(*rig));
  const std::string path = "root/logs/" + index::index_name({1});
  const Buffer before = rig->disk().read(path);
  rig->disk().remove(path);
  const verify::Report missing = rig->verify();
  CHECK(missing.verdict == verify::Verdict::kPass);  // a cache: nothing is lost by it
  CHECK(describe(missing).find("index-missing") != std::string::npos);
  REQUIRE(rig->life(1, kSegment).ok());
  CHECK(rig->disk().read(path) == before);
  CHECK(rig->judge() == "");
}

TEST_CASE("crash: whatever operation is the last one while indexes are built, the next start builds what is left") {
  uint64_t operations = 0;
  {
    const auto rig = made(12);
    operations = rig->disk().operations();
  }
  uint64_t built_later = 0;
  for (uint64_t n = operations / 8; n <= operations; n += 3 * stride(3)) {
    CrashRig rig;
    rig.index_segments();
    const bool power_lost = n % 2 == 0;
    power_lost ? rig.disk().crash_in_nth(n) : rig.disk().crash_after_nth(n);
    const Result<void> lived = rig.life(12, kSegment);
    power_lost ? rig.disk().power_loss(n) : rig.disk().crash_process();
    INFO("operation " << n << " of " << operations << ": " << (lived.ok() ? "survived" : lived.error().message));
    REQUIRE(passes(rig));
    const uint64_t had = indexes(rig);
    const Result<void> again = rig.life(6, kSegment);
    INFO((again.ok() ? "reopened" : again.error().message));
    REQUIRE(again.ok());
    const uint64_t sealed = index_the_rest(rig);
    REQUIRE(indexes(rig) == sealed);
    built_later += indexes(rig) - had;
    REQUIRE(rig.judge() == "");
    REQUIRE(passes(rig));
  }
  CHECK(built_later > 0);
}

TEST_CASE("crash: a disk that refuses to write an index stops no commit, and status says why there is none") {
  CrashRig rig;
  rig.index_segments();
  rig.disk().fail_when([](const DiskEvent& event) { return event.path.ends_with(".idx.new"); }, Code::kIo);
  auto writer = rig.open(kSegment);
  REQUIRE(writer.ok());
  for (int i = 0; i < 30; ++i) REQUIRE(rig.submit(**writer, "e-" + std::to_string(i)).ok());
  (*writer)->wait_until_indexed();
  CHECK((*writer)->status().index_error.find("segment 0") != std::string::npos);
  REQUIRE((*writer)->close().ok());
  CHECK(indexes(rig) > 0);
  CHECK_FALSE(rig.disk().exists("root/logs/" + index::index_name({0})));
}

TEST_CASE("crash: the index of a segment goes with the segment when retention lets it go") {
  const auto rig = made(30);
  auto writer = rig->open(kSegment);
  REQUIRE(writer.ok());
  writer::RetainerOptions options;
  options.pause = [](int64_t) { return true; };
  const auto keeper = writer::Retainer::open(rig->disk().directory("root"), **writer, rig->clock(), options).value();
  REQUIRE(keeper->decide(TableId::kLogs, {std::nullopt, 7000}, "test").value().commit);
  REQUIRE(keeper->sweep().value().segments > 0);
  (*writer)->wait_until_indexed();
  CHECK_FALSE(rig->disk().exists("root/logs/" + index::index_name({0})));
  CHECK(indexes(*rig) < segments(*rig));
  REQUIRE((*writer)->close().ok());
  REQUIRE(rig->life(3, kSegment).ok());
  CHECK_FALSE(rig->disk().exists("root/logs/" + index::index_name({0})));
  CHECK(rig->judge() == "");
}

TEST_CASE("crash: the index of another segment in a segment's place is found, and a start leaves it as evidence") {
  const auto rig = made(30);
  const std::string mine = "root/logs/" + index::index_name({0}), other = "root/logs/" + index::index_name({1});
  const Buffer bytes = rig->disk().read(other);
  rig->disk().put(mine, bytes);
  for (int round = 0; round < 2; ++round) {
    const verify::Report report = rig->verify();
    INFO(describe(report));
    REQUIRE(report.first_break);
    CHECK(report.first_break->code == verify::code::kIndexMismatch);
    CHECK(report.first_break->segment == SegmentNumber{0});
    REQUIRE(rig->life(1, kSegment).ok());  // the writer opens it and goes on
  }
  CHECK(rig->disk().read(mine) == bytes);
  rig->disk().remove(mine);  // what an operator does about it
  (void)index_the_rest(*rig);
  CHECK(passes(*rig));
}

TEST_CASE("crash: a flipped bit in any byte of an index is found by verify, which names the file") {
  const auto rig = made(12);
  const std::string file = "logs/" + index::index_name({0});
  const uint64_t size = rig->disk().read("root/" + file).size();
  REQUIRE(size > 400);
  for (uint64_t offset = 0; offset < size; ++offset) {
    rig->disk().flip_bit("root/" + file, offset, offset % 8);
    const verify::Report report = rig->verify();
    rig->disk().flip_bit("root/" + file, offset, offset % 8);
    INFO(offset << ": " << describe(report));
    REQUIRE(report.verdict == verify::Verdict::kFail);
    REQUIRE(report.first_break);
    REQUIRE(report.first_break->code == verify::code::kIndexMismatch);
    REQUIRE(report.first_break->file == file);
    REQUIRE(report.first_break->offset == offset);
  }
}

}  // namespace
}  // namespace khipu::tests
