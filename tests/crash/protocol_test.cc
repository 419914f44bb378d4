// The rules of the commit model, one test each: either the order of operations that the rule asks for, or the state of
// the disk on which breaking it would show. The names are the model's (commit_model.py RULES).
#include <fmt/format.h>

#include "engine/segment/reader.h"
#include "tests/crash/harness.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 3000;

// Index of the first event from `from` on that the function says yes to, or the log's size.
template <typename Matches>
size_t first(const std::vector<DiskEvent>& log, size_t from, Matches matches) {
  while (from < log.size() && !matches(log[from])) ++from;
  return from;
}
bool under(const DiskEvent& event, std::string_view folder) { return event.path.starts_with(folder); }
bool is_sync(const DiskEvent& event) {
  return event.operation == DiskOperation::kSyncData || event.operation == DiskOperation::kSync;
}

// A log with an unfinished commit on top: rows and no frame.
std::unique_ptr<CrashRig> interrupted() {
  auto owner = std::make_unique<CrashRig>();
  CrashRig& rig = *owner;
  rig.commit_with(writer::SyncPolicy::kGroup);  // rows and frame are two writes
  REQUIRE(rig.life(4, 1 << 20).ok());
  auto writer = rig.open(1 << 20);
  REQUIRE(writer.ok());
  REQUIRE(rig.submit(**writer, "before").ok());
  // Its rows reach logs/, its frame does not.
  size_t writes = 0;
  rig.disk().fail_when(
      [&](const DiskEvent& event) {
        return event.operation == DiskOperation::kWrite && under(event, "root/logs/seg-") && ++writes == 2;
      },
      Code::kIo);
  CHECK_FALSE(rig.submit(**writer, "unfinished").ok());
  writer->reset();
  rig.disk().crash_process();
  return owner;
}

TEST_CASE("rule head-after-sync and frame-after-sync: HEAD is written only when nothing it names is unsynced") {
  CrashRig rig;
  rig.commit_with(GENERATE(writer::SyncPolicy::kAlways, writer::SyncPolicy::kGroup));
  auto writer = rig.open(1 << 20);
  REQUIRE(writer.ok());
  rig.disk().clear_log();
  for (int i = 0; i < 5; ++i) REQUIRE(rig.submit(**writer, fmt::format("x-{}", i)).ok());
  std::set<std::string> dirty;
  size_t heads = 0;
  for (const DiskEvent& event : rig.disk().log()) {
    const bool segment = event.path.find("/seg-") != std::string::npos;
    if (event.operation == DiskOperation::kWrite && segment) dirty.insert(event.path);
    if (is_sync(event)) dirty.erase(event.path);
    if (event.operation != DiskOperation::kWrite || event.path != "root/HEAD") continue;
    ++heads;
    CHECK(dirty.empty());
  }
  CHECK(heads >= 5);
}

TEST_CASE("rule frame-after-sync: with commits lined up, each frame is written behind the sync of the one before it") {
  CrashRig rig;
  rig.line_up();
  auto writer = rig.open(1 << 20);
  REQUIRE(writer.ok());
  rig.disk().clear_log();
  REQUIRE(rig.submit_at_once(**writer, 40).ok());
  const std::string path = "root/logs/seg-0000000000.log";
  const std::vector<DiskEvent> log = rig.disk().log();
  const auto file =
      rig.disk().directory("root")->open_directory("logs").value()->open_file("seg-0000000000.log", os::Mode::kRead);
  segment::Reader reader(**file, segment::kHeaderSize, (*file)->size().value());
  std::vector<uint64_t> frames;  // where those of this life begin
  for (segment::Step step = reader.next().value(); step.kind == segment::Step::Kind::kFrame;
       step = reader.next().value()) {
    if (!codec::is_row(step.frame.kind)) frames.push_back(step.offset);
  }
  size_t before = 0, written_early = 0;
  for (const uint64_t offset : frames) {
    const size_t written = first(log, 0, [&](const DiskEvent& event) {
      return event.operation == DiskOperation::kWrite && event.path == path && event.offset <= offset &&
             offset < event.offset + event.size;
    });
    if (written == log.size()) continue;  // of an earlier life
    if (before > 0) {
      const size_t synced =
          first(log, before, [&](const DiskEvent& event) { return is_sync(event) && event.path == path; });
      CHECK(synced < written);
    }
    // Rows behind the frame that were there before it: what lining up is.
    for (size_t i = 0; i < written; ++i) {
      written_early += log[i].operation == DiskOperation::kWrite && log[i].path == path && log[i].offset > offset;
    }
    before = written;
  }
  CHECK(before > 0);
  CHECK(written_early > 0);
}

TEST_CASE("a failed sync answers the commit that had lined up behind it") {
  CrashRig rig;
  rig.line_up();
  auto writer = rig.open(1 << 20);
  REQUIRE(writer.ok());
  size_t syncs = 0;
  rig.disk().fail_when(
      [&](const DiskEvent& event) {
        return event.operation == DiskOperation::kSyncData && under(event, "root/logs/seg-") && ++syncs == 6;
      },
      Code::kIo);
  const Result<void> answered = rig.submit_at_once(**writer, 40);  // comes back: all were answered
  REQUIRE_FALSE(answered.ok());
  CHECK(answered.error().code == Code::kPoisoned);
  CHECK(rig.acknowledged().seqs.size() < 40);
  writer->reset();
  rig.disk().crash_process();
  rig.disk().slow_syncs(std::chrono::microseconds(0));
  REQUIRE(rig.life(1, 1 << 20).ok());
  CHECK(rig.judge() == "");
}

TEST_CASE("rule quarantine-first: what is cut was copied, synced, renamed and its directory synced before") {
  const auto owner = interrupted();
  CrashRig& rig = *owner;
  rig.disk().clear_log();
  REQUIRE(rig.open(1 << 20).ok());
  const std::vector<DiskEvent> log = rig.disk().log();
  const size_t cut = first(log, 0, [](const DiskEvent& event) {
    return event.operation == DiskOperation::kTruncate && !under(event, "root/quarantine");
  });
  REQUIRE(cut < log.size());
  const size_t copied = first(log, 0, [](const DiskEvent& event) {
    return event.operation == DiskOperation::kWrite && under(event, "root/quarantine");
  });
  const size_t synced =
      first(log, copied, [](const DiskEvent& event) { return is_sync(event) && under(event, "root/quarantine"); });
  const size_t renamed = first(log, synced, [](const DiskEvent& event) {
    return event.operation == DiskOperation::kRename && under(event, "root/quarantine");
  });
  const size_t folder = first(log, renamed, [](const DiskEvent& event) {
    return event.operation == DiskOperation::kSyncDirectory && under(event, "root/quarantine");
  });
  CHECK(copied < synced);
  CHECK(synced < renamed);
  CHECK(renamed < folder);
  CHECK(folder < cut);
}

TEST_CASE("rule recovery-rewrites and recovery-syncs: the line is written again and synced before HEAD names it") {
  CrashRig rig;
  REQUIRE(rig.life(3, 1 << 20).ok());
  auto writer = rig.open(1 << 20);
  REQUIRE(writer.ok());
  // HEAD of the newest commit is lost: the commit stands behind the one HEAD names.
  rig.disk().fail_when(
      [](const DiskEvent& event) { return event.operation == DiskOperation::kWrite && event.path == "root/HEAD"; },
      Code::kIo);
  CHECK_FALSE(rig.submit(**writer, "durable, never published").ok());
  writer->reset();
  rig.disk().crash_process();
  rig.disk().clear_log();
  REQUIRE(rig.open(1 << 20).ok());
  const std::vector<DiskEvent> log = rig.disk().log();
  const auto logs_segment = [](const DiskEvent& event) { return event.path == "root/logs/seg-0000000000.log"; };
  const size_t head = first(log, 0, [](const DiskEvent& event) {
    return event.operation == DiskOperation::kWrite && event.path == "root/HEAD";
  });
  const size_t written = first(
      log, 0, [&](const DiskEvent& event) { return event.operation == DiskOperation::kWrite && logs_segment(event); });
  const size_t synced =
      first(log, written, [&](const DiskEvent& event) { return is_sync(event) && logs_segment(event); });
  CHECK(written < synced);
  CHECK(synced < head);
  CHECK(head < log.size());
  CHECK(rig.judge() == "");
}

TEST_CASE("rule statement-by-file: a crash right after the cut, and the next start names the quarantine file") {
  const auto owner = interrupted();
  CrashRig& rig = *owner;
  // Recovery gets as far as the cut and dies.
  bool cut = false;
  rig.disk().fail_when(
      [&](const DiskEvent& event) {
        if (event.operation == DiskOperation::kTruncate && under(event, "root/logs")) cut = true;
        return cut && event.operation == DiskOperation::kWrite && event.path == "root/HEAD";
      },
      Code::kIo);
  CHECK_FALSE(rig.open(1 << 20).ok());
  CHECK(cut);
  rig.disk().crash_process();
  const verify::Report between = rig.verify();
  CHECK(between.verdict == verify::Verdict::kPass);
  CHECK(between.counts.contains("file-unaccounted"));  // information: not named yet
  REQUIRE(rig.life(1, 1 << 20).ok());
  const verify::Report after = rig.verify();
  INFO(describe(after));
  CHECK(after.verdict == verify::Verdict::kPass);
  CHECK_FALSE(after.counts.contains("file-unaccounted"));
  CHECK(after.checked.quarantine_files >= 1);
  CHECK(rig.judge() == "");
}

TEST_CASE("rule start-at-manifest: both HEAD slots torn, and the sealed segments still say where to start") {
  CrashRig rig;
  REQUIRE(rig.life(12, kSegment).ok());
  REQUIRE(rig.disk().exists("root/logs/seg-0000000001.log"));
  rig.disk().flip_bit("root/HEAD", 40);
  rig.disk().flip_bit("root/HEAD", segment::kHeadSlotStride + 40);
  const verify::Report before = rig.verify();
  INFO(describe(before));
  CHECK(before.verdict == verify::Verdict::kPass);
  CHECK(before.counts.contains("head-missing"));  // information: a power loss may leave that
  const Result<void> lived = rig.life(1, kSegment);
  INFO((lived.ok() ? "" : lived.error().message));
  REQUIRE(lived.ok());
  CHECK(rig.judge() == "");
}

TEST_CASE(
    "rule tree-before-manifest and seal-at-commit: footer, tree and segment are synced before the manifest entry") {
  CrashRig rig;
  rig.disk().clear_log();
  REQUIRE(rig.life(26, kSegment).ok());
  const std::vector<DiskEvent> log = rig.disk().log();
  size_t seals = 0;
  for (size_t i = 0; i < log.size(); ++i) {
    if (log[i].operation != DiskOperation::kWrite || log[i].path != "root/logs/manifest") continue;
    if (log[i].offset != seals * segment::kManifestEntrySize) continue;  // recovery writes the last one again
    const std::string name = "root/logs/" + segment::segment_name({seals});
    std::set<std::string> dirty;
    for (size_t k = 0; k < i; ++k) {
      if (log[k].operation == DiskOperation::kWrite) dirty.insert(log[k].path);
      if (is_sync(log[k])) dirty.erase(log[k].path);
    }
    CHECK_FALSE(dirty.contains(name));
    CHECK_FALSE(dirty.contains("root/logs/tree/0"));
    ++seals;
  }
  CHECK(seals >= 2);
}

TEST_CASE("rule state-replaced-whole: the key-side state is a new file, synced, renamed, its directory synced") {
  CrashRig rig;
  REQUIRE(rig.life(3, 1 << 20).ok());
  const std::vector<DiskEvent> log = rig.disk().log();
  size_t renames = 0;
  for (size_t i = 0; i < log.size(); ++i) {
    CHECK_FALSE((log[i].operation == DiskOperation::kWrite && log[i].path == "root.keys/state"));
    if (log[i].operation != DiskOperation::kRename || log[i].to != "state") continue;
    ++renames;
    bool synced = false;
    for (size_t k = i; k-- > 0 && !synced;) {
      if (log[k].path == log[i].path && log[k].operation == DiskOperation::kWrite) break;
      synced = log[k].path == log[i].path && is_sync(log[k]);
    }
    CHECK(synced);
    CHECK(first(log, i, [](const DiskEvent& event) {
            return event.operation == DiskOperation::kSyncDirectory && event.path == "root.keys";
          }) < log.size());
  }
  CHECK(renames >= 1);
}

TEST_CASE("rule evidence-not-by-place: the last frame is there and its rows are not: set aside, not refused") {
  CrashRig rig;
  REQUIRE(rig.life(3, 1 << 20).ok());
  auto writer = rig.open(1 << 20);
  REQUIRE(writer.ok());
  REQUIRE(rig.submit(**writer, "last durable").ok());
  const auto slots = segment::read_head(*rig.disk().directory("root"));
  const uint64_t end = segment::newest(*slots)->tables[index_of(TableId::kLogs)].end_offset;
  rig.disk().fail_when(
      [](const DiskEvent& event) {
        return event.operation == DiskOperation::kSyncData && under(event, "root/logs/seg-");
      },
      Code::kIo);
  CHECK_FALSE(rig.submit(**writer, "never answered").ok());
  writer->reset();
  rig.disk().crash_process();
  REQUIRE(rig.disk().read("root/logs/seg-0000000000.log").size() > end + 40);
  rig.disk().flip_bit("root/logs/seg-0000000000.log", end + 30);  // a byte of its row
  CHECK(rig.verify().verdict == verify::Verdict::kPass);
  const Result<void> lived = rig.life(1, 1 << 20);
  INFO((lived.ok() ? "" : lived.error().message));
  REQUIRE(lived.ok());
  CHECK(rig.judge() == "");
}

TEST_CASE(
    "rule evidence-by-number: a damaged commit that a later signed frame proves durable is refused and reported") {
  CrashRig rig;
  REQUIRE(rig.life(3, 1 << 20).ok());
  std::vector<uint64_t> frames;
  {
    const auto logs = rig.disk().directory("root")->open_directory("logs").value();
    const auto file = logs->open_file("seg-0000000000.log", os::Mode::kRead).value();
    segment::Reader reader(*file, segment::kHeaderSize, file->size().value());
    for (segment::Step step = reader.next().value(); step.kind == segment::Step::Kind::kFrame;
         step = reader.next().value()) {
      if (step.frame.kind == static_cast<uint8_t>(codec::RecordKind::kCommit)) frames.push_back(step.offset);
    }
  }
  REQUIRE(frames.size() >= 3);
  rig.disk().flip_bit("root/logs/seg-0000000000.log", frames[frames.size() - 2] + 40);
  rig.disk().flip_bit("root/HEAD", 40);
  rig.disk().flip_bit("root/HEAD", segment::kHeadSlotStride + 40);
  const verify::Report report = rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kFail);
  CHECK(report.counts.contains("commit-broken"));
  const auto opened = rig.open(1 << 20);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code == Code::kCorrupt);
}

TEST_CASE("time: the wall clock is set back while the log runs and between runs, and nothing goes backwards") {
  CrashRig rig;
  REQUIRE(rig.life(3).ok());
  auto writer = rig.open();
  REQUIRE(writer.ok());
  const TimeUs now = rig.clock().now();
  for (const int64_t step : {-3600, 7200, -7200, 60}) {
    rig.clock().set_wall(now + step * 1000000);
    REQUIRE(rig.submit(**writer, "step " + std::to_string(step)).ok());
  }
  REQUIRE((*writer)->close().ok());
  writer->reset();
  rig.clock().set_wall(now - 86400LL * 1000000);
  const Result<void> lived = rig.life(3);
  INFO((lived.ok() ? "" : lived.error().message));
  REQUIRE(lived.ok());
  CHECK(rig.judge() == "");
}

TEST_CASE("A9: one damaged byte below the line: recovery refuses, or verify reports it before and after") {
  CrashRig clean;
  REQUIRE(clean.life(9, kSegment).ok());
  REQUIRE(clean.judge() == "");
  size_t reported = 0, refused = 0;
  for (const std::string& path : clean.disk().files()) {
    const bool table =
        path.starts_with("root/logs/") || path.starts_with("root/registry/") || path.starts_with("root/meta/");
    if (!table) continue;
    const size_t size = clean.disk().read(path).size();
    for (uint64_t offset = 5; offset < size; offset += 97) {
      INFO(path << " byte " << offset);
      CrashRig rig(clean.disk().clone(), 3);
      rig.remember(clean);
      rig.disk().flip_bit(path, offset, offset % 8);
      const verify::Report before = rig.verify();
      INFO(describe(before));
      REQUIRE(before.verdict == verify::Verdict::kFail);
      REQUIRE(before.first_break.has_value());
      const Result<void> lived = rig.life(1, kSegment);
      if (!lived.ok()) {
        REQUIRE(lived.error().code == Code::kCorrupt);
        ++refused;
        continue;
      }
      ++reported;
      // The last manifest entry and trees above tree_synced are written again by recovery, right: that is repair.
      const verify::Report after = rig.verify();
      INFO("after: " << describe(after));
      CHECK((after.verdict == verify::Verdict::kFail || path.find("/manifest") != std::string::npos ||
             path.find("/tree/") != std::string::npos));
    }
  }
  CHECK(reported > 0);
  CHECK(refused > 0);
}

}  // namespace
}  // namespace khipu::tests
