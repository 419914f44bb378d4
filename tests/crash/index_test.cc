// Index files under faults: they are built behind the commits, on a thread of their own, so whatever fails while one is
// written costs nothing but the index. Afterwards verify passes, nothing acknowledged is lost, and the next start
// leaves every sealed segment with the index that its rows make.
#include "engine/index/format.h"

#include <algorithm>
#include <optional>

#include "engine/segment/reader.h"
#include "engine/writer/retainer.h"
#include "tests/crash/harness.h"
#include "tests/support/catch.h"
#include "tests/support/thorough.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 3000;  // bytes: a seal every few events
constexpr uint32_t kRun = 3;

uint64_t count(CrashRig& rig, const std::string& part, const std::string& table = "logs") {
  const std::vector<std::string> files = rig.disk().files();
  return static_cast<uint64_t>(std::count_if(files.begin(), files.end(), [&](const std::string& path) {
    return path.starts_with("root/" + table + "/seg-") && path.find(part) != std::string::npos;
  }));
}
uint64_t indexes(CrashRig& rig) { return count(rig, ".idx"); }
uint64_t segments(CrashRig& rig) { return count(rig, ".log"); }

std::unique_ptr<CrashRig> made(size_t events) {
  auto rig = std::make_unique<CrashRig>();
  rig->index_segments(kRun);
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
    rig.index_segments(kRun);
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
  rig.disk().fail_when(
      [](const DiskEvent& event) { return event.path.starts_with("root/logs/") && event.path.ends_with(".idx.new"); },
      Code::kIo);
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

// Sealed segments with rows and the runs of the active ones: each has its index, and nothing else is there. What the
// last commits of a life seal is left to the next one: then false.
bool check_all_indexed(CrashRig& rig) {
  bool all = true;
  for (const TableId table : index::kIndexedTables) {
    const std::string name = table_name(table);
    const auto folder = rig.disk().directory("root")->open_directory(name).value();
    const auto manifest = segment::read_manifest(*folder).value();
    uint64_t sealed = 0, rows = 0;
    for (const segment::ManifestEntry& entry : manifest.entries) {
      sealed += entry.footer.rows > 0 ? 1 : 0;
      rows += entry.footer.rows;
    }
    const auto slots = segment::read_head(*rig.disk().directory("root")).value();
    const uint64_t growing = segment::newest(slots)->tables[index_of(table)].size - rows;
    INFO(name << ": " << sealed << " sealed, " << growing << " rows behind them");
    CHECK(count(rig, ".new", name) == 0);
    if (count(rig, ".idx", name) + 1 == sealed) {
      all = false;
      continue;
    }
    CHECK(count(rig, ".idx", name) == sealed);
    CHECK(count(rig, ".run-", name) == growing / kRun);
  }
  return all;
}

TEST_CASE("crash: registry/ gets indexes as logs/ does, active segments get runs, and an index takes their place") {
  const auto rig = made(90);
  (void)index_the_rest(*rig);
  REQUIRE(count(*rig, ".log", "registry") > 2);
  int with_runs = 0, looked_at = 0;
  for (int i = 0; i < 16; ++i) {
    REQUIRE(rig->life(1, kSegment).ok());
    REQUIRE(passes(*rig));
    if (!check_all_indexed(*rig)) continue;
    ++looked_at;
    with_runs += count(*rig, ".run-") > 0 ? 1 : 0;
  }
  CHECK(looked_at > 8);
  CHECK(with_runs > 0);
  CHECK(with_runs < looked_at);  // seals took them away
  CHECK(rig->judge() == "");
}

TEST_CASE("crash: a writer that opens from indexes of registry/ goes on as one that reads every version") {
  const uint64_t seed = GENERATE(1ULL, 2ULL, 3ULL);
  INFO("seed " << seed);
  std::vector<std::vector<Buffer>> tables;
  for (const bool indexed : {true, false}) {
    CrashRig rig(std::make_unique<FakeDisk>(), seed);
    REQUIRE(writer::initialize({*rig.disk().directory("root"), *rig.disk().directory("root.keys"), rig.clock(),
                                *std::make_unique<FakeRandom>(seed)},
                               {"example.org/crash"})
                .ok());
    if (indexed) rig.index_segments(kRun);
    for (int life = 0; life < 12; ++life) {
      REQUIRE(rig.life(1 + (seed + static_cast<uint64_t>(life)) % 5, kSegment).ok());
      if (indexed && life % 3 == 0) {  // some are gone, and their segments are read
        for (const std::string& path : rig.disk().files()) {
          if (path.starts_with("root/registry/") && path.ends_with(".idx")) {
            rig.disk().remove(path);
            break;
          }
        }
      }
    }
    CHECK(rig.judge() == "");
    REQUIRE(passes(rig));
    std::vector<codec::VersionRecord> versions;
    std::vector<Buffer> said;
    const auto registry = rig.disk().directory("root")->open_directory("registry").value();
    for (uint64_t number = 0;; ++number) {
      const auto file = registry->open_file(segment::segment_name({number}), os::Mode::kRead);
      if (!file.ok()) break;
      segment::Reader reader(**file, segment::kHeaderSize, file.value()->size().value());
      for (auto step = reader.next().value(); step.kind == segment::Step::Kind::kFrame; step = reader.next().value()) {
        codec::VersionRecord version;
        if (!codec::is_row(step.frame.kind)) continue;
        REQUIRE(codec::decode_version(step.frame.payload, version).ok());
        version.uid = {};  // random, and indexes take their share
        Buffer bytes;
        codec::encode_version(bytes, version);
        said.push_back(std::move(bytes));
      }
    }
    REQUIRE(said.size() > 20);
    tables.push_back(std::move(said));
  }
  CHECK(tables[0] == tables[1]);
}

TEST_CASE("crash: a version that cannot be read refuses the events that name its entity, and only those") {
  const auto rig = made(40);
  (void)index_the_rest(*rig);
  const std::string path = "root/registry/" + segment::segment_name({0});
  const auto file = rig->disk()
                        .directory("root")
                        ->open_directory("registry")
                        .value()
                        ->open_file(segment::segment_name({0}), os::Mode::kRead)
                        .value();
  segment::Reader reader(*file, segment::kHeaderSize, file->size().value());
  // The entity of resource r-0 has one version, the second row or so of the log.
  std::optional<uint64_t> offset;
  for (auto step = reader.next().value(); step.kind == segment::Step::Kind::kFrame; step = reader.next().value()) {
    codec::VersionRecord version;
    if (codec::decode_version(step.frame.payload, version).ok() && version.id == "r-0") offset = step.offset;
  }
  REQUIRE(offset);
  rig->disk().flip_bit(path, *offset + 30, 2);
  auto writer = rig->open(kSegment);
  REQUIRE(writer.ok());
  uint64_t refused = 0;
  for (int i = 0; i < 22; ++i) {
    const Result<writer::Receipt> receipt = rig->submit(**writer, "late-" + std::to_string(i));
    if (receipt.ok()) continue;
    ++refused;
    CHECK(receipt.error().code == Code::kCorrupt);
    CHECK(receipt.error().message.find("registry row") != std::string::npos);
  }
  CHECK(refused == 2);  // every eleventh names r-0
  CHECK((*writer)->status().poisoned.empty());
  REQUIRE((*writer)->close().ok());
}

TEST_CASE("crash: versions are read though the index that named them is gone, or took a run's place") {
  const bool gone = GENERATE(true, false);
  const auto rig = made(60);
  (void)index_the_rest(*rig);
  auto writer = rig->open(kSegment);
  REQUIRE(writer.ok());
  if (gone) {
    for (const std::string& path : rig->disk().files()) {
      if (path.starts_with("root/registry/seg-") && !path.ends_with(".log")) rig->disk().remove(path);
    }
  } else {  // nobody whom the batches below name
    for (int i = 0; i < 40; ++i) {
      const std::string id = "other-" + std::to_string(i);
      ingest::Batch batch;
      ingest::Event event;
      event.actor = {"user", batch.keep(std::string_view(id)), {}, false};
      event.action = "PUT";
      event.event_id = batch.keep(std::string_view(id));
      batch.events.push_back(event);
      REQUIRE((*writer)->submit_and_wait(std::move(batch)).ok());
    }
    (*writer)->wait_until_indexed();
  }
  for (int i = 0; i < 33; ++i) REQUIRE(rig->submit(**writer, "late-" + std::to_string(i)).ok());
  REQUIRE((*writer)->close().ok());
  CHECK(passes(*rig));
}

TEST_CASE("crash: a damaged index of registry/ costs its segment's replay, and stays as evidence") {
  const auto rig = made(40);
  (void)index_the_rest(*rig);
  const std::string path = "root/registry/" + index::index_name({0});
  const Buffer before = rig->disk().read(path);
  rig->disk().flip_bit(path, 200, 1);
  REQUIRE(rig->life(3, kSegment).ok());
  const verify::Report report = rig->verify();
  INFO(describe(report));
  REQUIRE(report.first_break);
  CHECK(report.first_break->code == verify::code::kIndexMismatch);
  CHECK(report.first_break->table == TableId::kRegistry);
  CHECK(report.first_break->offset == 200);
  rig->disk().remove(path);
  REQUIRE(rig->life(1, kSegment).ok());
  CHECK(rig->disk().read(path) == before);
  CHECK(rig->judge() == "");
}

TEST_CASE("crash: a flipped bit in a run is found by verify, and a run that is gone is built again") {
  const auto rig = made(11);
  // A run of a segment that grows: those of one that a life sealed at its end go when the next has indexed it.
  const auto run_of_logs = [&]() -> std::optional<std::string> {
    for (const std::string& path : rig->disk().files()) {
      if (path.starts_with("root/logs/") && path.find(".run-") != std::string::npos) return path;
    }
    return std::nullopt;
  };
  std::optional<std::string> run;
  for (int i = 0; i < 100; ++i) {  // where a life ends in its segment is the indexer's timing
    index_the_rest(*rig);
    run = run_of_logs();
    if (run) break;
    REQUIRE(rig->life(1, kSegment).ok());
  }
  REQUIRE(run);
  REQUIRE(passes(*rig));
  const Buffer before = rig->disk().read(*run);
  for (uint64_t offset = 0; offset < before.size(); offset += 7) {
    rig->disk().flip_bit(*run, offset, offset % 8);
    const verify::Report report = rig->verify();
    rig->disk().flip_bit(*run, offset, offset % 8);
    INFO(offset << ": " << describe(report));
    REQUIRE(report.first_break);
    REQUIRE(report.first_break->code == verify::code::kIndexMismatch);
    REQUIRE("root/" + report.first_break->file == *run);
    REQUIRE(report.first_break->offset == offset);
  }
  rig->disk().remove(*run);
  CHECK(passes(*rig));  // a cache
  auto writer = rig->open(kSegment);
  REQUIRE(writer.ok());
  (*writer)->wait_until_indexed();
  CHECK((*writer)->status().index_error == "");
  REQUIRE((*writer)->close().ok());
  REQUIRE(rig->disk().exists(*run));
  CHECK(rig->disk().read(*run) == before);
  CHECK(passes(*rig));
}

TEST_CASE("crash: a flipped bit in any byte of an index is found by verify, which names the file") {
  const auto rig = made(12);
  const std::string file = "logs/" + index::index_name({0});
  const uint64_t size = rig->disk().read("root/" + file).size();
  REQUIRE(size > 2 * index::kHeaderSize);  // how much more: as many rows as the commits left room for
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
