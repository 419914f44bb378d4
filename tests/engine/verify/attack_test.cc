// What somebody with write access to the root but without the signing key can do, one test each: found, with code,
// table, row and file; and found again after the writer was started on it (no laundering). tests/attacks/README.md.
#include <atomic>

#include "engine/segment/reader.h"
#include "engine/verify/segment_scan.h"
#include "tests/engine/verify/forge.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 3000;

// A log of several sealed segments and an active one, closed cleanly.
CrashRig& original() {
  static CrashRig& rig = []() -> CrashRig& {
    static CrashRig made;
    REQUIRE(made.life(26, kSegment).ok());
    REQUIRE(made.life(5, kSegment).ok());
    REQUIRE(made.life(2, 1 << 20).ok());  // an active segment with rows, not one behind a seal
    REQUIRE(made.judge() == "");
    REQUIRE(made.disk().exists(segment_file(TableId::kLogs, 3)));
    return made;
  }();
  return rig;
}

struct Victim {
  Victim() : rig(original().disk().clone(), 5) { rig.remember(original()); }
  FakeDisk& disk() { return rig.disk(); }
  uint64_t active() {
    uint64_t number = 0;
    while (disk().exists(segment_file(TableId::kLogs, number + 1))) ++number;
    return number;
  }
  uint64_t first_row(uint64_t segment) {
    uint64_t row = 0;
    for (uint64_t n = 0; n < segment; ++n) row += rows_of(original().disk(), segment_file(TableId::kLogs, n)).size();
    return row;
  }
  // What statements and checkpoints say is compared first, so the place itself may come behind them.
  void found_behind(std::string_view code, TableId table, std::optional<uint64_t> row, const std::string& file) {
    const verify::Report report = rig.verify();
    INFO(describe(report));
    REQUIRE(report.verdict == verify::Verdict::kFail);
    CHECK(std::any_of(report.findings.begin(), report.findings.end(), [&](const verify::Finding& finding) {
      return finding.code == code && finding.table == table && finding.file == file &&
             (!row || finding.row == Row{*row});
    }));
    (void)rig.life(2, kSegment).ok();
    CHECK(rig.verify().verdict == verify::Verdict::kFail);
  }
  // Found, named, and not washed away by a writer that starts, writes and closes.
  verify::Finding found(std::string_view code, TableId table, std::optional<uint64_t> row, const std::string& file) {
    const verify::Report report = rig.verify();
    INFO(describe(report));
    REQUIRE(report.verdict == verify::Verdict::kFail);
    REQUIRE(report.first_break.has_value());
    CHECK(report.first_break->code == code);
    CHECK(report.first_break->table == table);
    if (row) CHECK(report.first_break->row == Row{*row});
    CHECK(report.first_break->file == file);
    const Result<void> lived = rig.life(2, kSegment);
    const verify::Report after = rig.verify();
    INFO("writer: " << (lived.ok() ? "ran" : lived.error().message) << "\n" << describe(after));
    CHECK(after.verdict == verify::Verdict::kFail);
    return *report.first_break;
  }
  CrashRig rig;
};

const std::string kLogs0 = "logs/seg-0000000000.log";
const std::string kLogs1 = "logs/seg-0000000001.log";

TEST_CASE("attack: a bit flip in a record (REFERENCE section 5 #10)") {
  Victim victim;
  const auto rows = rows_of(victim.disk(), segment_file(TableId::kLogs, 1));
  victim.disk().flip_bit(segment_file(TableId::kLogs, 1), rows[1].offset + 40);
  const verify::Finding found = victim.found("frame-corrupt", TableId::kLogs, victim.first_row(1) + 1, kLogs1);
  CHECK(found.offset == rows[1].offset);
  CHECK(found.likely == "media");
  REQUIRE(found.last_good.has_value());
  CHECK(found.last_good->row == Row{victim.first_row(1)});
  CHECK(found.last_good->recorded_at.has_value());
  CHECK(found.next_good == Row{victim.first_row(1) + 2});
}

TEST_CASE("attack: a record and its checksum rewritten (REFERENCE section 5 #10)") {
  Victim victim;
  rewrite_row(victim.disk(), TableId::kLogs, 1, 1);
  const verify::Finding found = victim.found("leaf-mismatch", TableId::kLogs, victim.first_row(1) + 1, kLogs1);
  CHECK(found.likely == "rewriting");
}

TEST_CASE("attack: a record, its checksum and all tree files rewritten") {
  Victim victim;
  rewrite_row(victim.disk(), TableId::kLogs, 1, 1);
  rewrite_tree(victim.disk(), TableId::kLogs);
  victim.found("leaf-mismatch", TableId::kLogs, victim.first_row(1) + 1, kLogs1);
}

TEST_CASE("attack: a tree hash alone") {
  Victim victim;
  victim.disk().flip_bit("root/logs/tree/0", 32 * 2 + 7);
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  REQUIRE(report.first_break.has_value());
  CHECK(report.first_break->code == "tile-mismatch");
  CHECK(report.first_break->row == Row{2});
  CHECK(report.first_break->file == "logs/tree/0");
  CHECK(report.first_break->offset == 64);
}

TEST_CASE("attack: a hash put into tree/0, or taken out, accuses no record") {
  for (const TableId table : {TableId::kLogs, TableId::kRegistry}) {
    for (const bool in : {true, false}) {
      Victim victim;
      const std::string path = std::string("root/") + table_name(table) + "/tree/0";
      victim.disk().edit(path, [&](Buffer& bytes) {
        if (in) bytes.insert(bytes.begin() + 64, 32, 0x55);
        if (!in) bytes.erase(bytes.begin() + 64, bytes.begin() + 96);
      });
      const verify::Report report = victim.rig.verify();
      INFO(describe(report));
      REQUIRE(report.first_break.has_value());
      CHECK(report.first_break->code == "tile-mismatch");
      CHECK(report.first_break->row == Row{2});
      CHECK(report.first_break->table == table);
      CHECK(report.counts.count("leaf-mismatch") + report.counts.count("row-gap") == 0);
    }
  }
}

TEST_CASE("attack: two records swapped") {
  Victim victim;
  const std::string path = segment_file(TableId::kLogs, 1);
  auto frames = frames_of(victim.disk(), path);
  std::vector<size_t> rows;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (codec::is_row(frames[i].kind)) rows.push_back(i);
  }
  std::swap(frames[rows[0]], frames[rows[1]]);
  write_frames(victim.disk(), path, frames);
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  REQUIRE(report.verdict == verify::Verdict::kFail);
  CHECK(report.first_break->table == TableId::kLogs);
  CHECK(report.first_break->row == Row{victim.first_row(1)});
  CHECK(report.first_break->file == kLogs1);
}

TEST_CASE("attack: a record deleted in the middle") {
  Victim victim;
  const std::string path = segment_file(TableId::kLogs, 1);
  auto frames = frames_of(victim.disk(), path);
  frames.erase(frames.begin() + 2);  // row, commit, row: the second row
  write_frames(victim.disk(), path, frames);
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  REQUIRE(report.verdict == verify::Verdict::kFail);
  CHECK(report.first_break->table == TableId::kLogs);
  CHECK(report.counts.contains("row-gap"));
  CHECK(report.counts.contains("segment-truncated"));
}

TEST_CASE("attack: a record inserted in the past") {
  Victim victim;
  const std::string path = segment_file(TableId::kLogs, 1);
  auto frames = frames_of(victim.disk(), path);
  ForgedFrame forged = frames[0];
  forged.payload[6] ^= 1;
  frames.insert(frames.begin() + 2, forged);
  write_frames(victim.disk(), path, frames);
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  REQUIRE(report.verdict == verify::Verdict::kFail);
  CHECK(report.first_break->table == TableId::kLogs);
  CHECK(report.counts.contains("leaf-mismatch"));
}

TEST_CASE("attack: the tail of the active segment cut below the line (REFERENCE section 5 #20)") {
  Victim victim;
  const uint64_t active = victim.active();
  const std::string path = segment_file(TableId::kLogs, active);
  const auto frames = frames_of(victim.disk(), path);
  REQUIRE(frames.size() >= 2);
  victim.disk().edit(path, [&](Buffer& bytes) { bytes.resize(frames[frames.size() - 2].offset); });
  CHECK(victim.rig.verify().first_break->code == "rollback");  // a checkpoint says there was more
  victim.found_behind("segment-truncated", TableId::kLogs, std::nullopt, "logs/" + segment::segment_name({active}));
}

TEST_CASE("attack: the last record of a sealed segment cut off (REFERENCE 3.1 #3)") {
  Victim victim;
  const std::string path = segment_file(TableId::kLogs, 0);
  const auto rows = rows_of(victim.disk(), path);
  victim.disk().edit(path, [&](Buffer& bytes) { bytes.resize(rows.back().offset); });
  victim.found("segment-truncated", TableId::kLogs, std::nullopt, kLogs0);
}

TEST_CASE("attack: a sealed segment in the middle removed (REFERENCE 3.1 #1)") {
  Victim victim;
  victim.disk().remove(segment_file(TableId::kLogs, 1));
  const verify::Finding found = victim.found("segment-missing", TableId::kLogs, victim.first_row(1), kLogs1);
  CHECK(found.row_end == Row{victim.first_row(2)});
}

TEST_CASE("attack: the oldest segments removed with no RETENTION (REFERENCE 3.1 #2)") {
  Victim victim;
  victim.disk().remove(segment_file(TableId::kLogs, 0));
  victim.disk().remove(segment_file(TableId::kLogs, 1));
  victim.found("deletion-unexplained", TableId::kLogs, 0, kLogs0);
}

TEST_CASE("attack: a removed segment and a manifest that does not know it") {
  Victim victim;
  victim.disk().remove(segment_file(TableId::kLogs, 1));
  victim.disk().edit("root/logs/manifest", [](Buffer& bytes) {
    bytes.erase(bytes.begin() + segment::kManifestEntrySize, bytes.begin() + 2 * segment::kManifestEntrySize);
  });
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kFail);
}

TEST_CASE("attack: the time in a frame header edited, checksum and all (REFERENCE 3.1 #9)") {
  Victim victim;
  const std::string path = segment_file(TableId::kLogs, 1);
  const ForgedFrame row = rows_of(victim.disk(), path)[1];
  Buffer frame;
  codec::append_frame(frame, row.kind, row.time + 1000000, row.payload);
  victim.disk().edit(path, [&](Buffer& bytes) {
    std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<ptrdiff_t>(row.offset));
  });
  const verify::Finding found = victim.found("frame-corrupt", TableId::kLogs, std::nullopt, kLogs1);
  CHECK(found.likely == "rewriting");
}

TEST_CASE("attack: a sealed segment's footer, and its manifest entry, edited to hide rows from a time range") {
  Victim victim;
  const std::string path = segment_file(TableId::kLogs, 1);
  auto frames = frames_of(victim.disk(), path);
  segment::Footer footer = segment::parse_footer(frames.back().payload).value();
  footer.time_max -= 1000;
  frames.back().payload.clear();
  segment::encode_footer(frames.back().payload, footer);
  write_frames(victim.disk(), path, frames);
  victim.disk().edit("root/logs/manifest", [&](Buffer& bytes) {
    const auto at = bytes.begin() + segment::kManifestEntrySize;
    segment::ManifestEntry entry =
        segment::parse_manifest_entry(Bytes(bytes).subspan(segment::kManifestEntrySize, segment::kManifestEntrySize))
            .value();
    entry.footer = footer;
    const auto changed = segment::encode_manifest_entry(entry);
    std::copy(changed.begin(), changed.end(), at);
  });
  victim.found("footer-mismatch", TableId::kLogs, victim.first_row(2) - 1, kLogs1);
}

TEST_CASE("attack: the manifest edited") {
  Victim victim;
  victim.disk().flip_bit("root/logs/manifest", segment::kManifestEntrySize + 50);
  victim.found("manifest-mismatch", TableId::kLogs, victim.first_row(1), "logs/manifest");
}

TEST_CASE("attack: the registry rewritten, trees and all (REFERENCE 3.1 #7)") {
  Victim victim;
  rewrite_row(victim.disk(), TableId::kRegistry, 0, 1);
  rewrite_tree(victim.disk(), TableId::kRegistry);
  victim.found("leaf-mismatch", TableId::kRegistry, std::nullopt, "registry/seg-0000000000.log");
}

TEST_CASE("attack: the registry's files removed (REFERENCE section 5 #11)") {
  Victim victim;
  for (const std::string& path : victim.disk().files()) {
    if (path.starts_with("root/registry/")) victim.disk().remove(path);
  }
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kFail);
  CHECK(report.first_break->code == "manifest-mismatch");
  CHECK(report.first_break->table == TableId::kRegistry);
  CHECK(report.counts.contains("segment-missing"));
}

TEST_CASE("attack: HEAD newer than the data") {
  Victim victim;
  // A HEAD of a longer life of the same log is put on the shorter one.
  CrashRig longer(original().disk().clone(), 6);
  longer.remember(original());
  REQUIRE(longer.life(3, 1 << 20).ok());
  victim.disk().put("root/HEAD", longer.disk().read("root/HEAD"));
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kFail);
  CHECK_FALSE(victim.rig.open(kSegment).ok());
}

TEST_CASE("attack: HEAD older than the data is information, and loses nothing") {
  Victim victim;
  const Buffer head = victim.disk().read("root/HEAD");
  REQUIRE(victim.rig.life(2, 1 << 20).ok());
  victim.disk().put("root/HEAD", head);
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kPass);
  REQUIRE(victim.rig.life(1, 1 << 20).ok());
  CHECK(victim.rig.judge() == "");
}

TEST_CASE("attack: a commit frame taken out, with everything behind it closed up") {
  Victim victim;
  const std::string path = segment_file(TableId::kLogs, 1);
  auto frames = frames_of(victim.disk(), path);
  size_t commit = 0;
  while (frames[commit].kind != static_cast<uint8_t>(codec::RecordKind::kCommit)) ++commit;
  frames.erase(frames.begin() + static_cast<ptrdiff_t>(commit));
  write_frames(victim.disk(), path, frames);
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kFail);
  CHECK(report.counts.contains("commit-broken"));
}

TEST_CASE("attack: a commit signed by another key") {
  Victim victim;
  const std::string path = segment_file(TableId::kLogs, 1);
  auto frames = frames_of(victim.disk(), path);
  for (ForgedFrame& frame : frames) {
    if (frame.kind != static_cast<uint8_t>(codec::RecordKind::kCommit)) continue;
    codec::CommitRecord commit = codec::decode_commit(frame.payload).value();
    const crypto::SigningKey other = crypto::SigningKey::generate();
    commit.signature = other.sign(codec::commit_signed_bytes({}, frame.payload));
    frame.payload.clear();
    codec::encode_commit(frame.payload, commit);
    break;
  }
  write_frames(victim.disk(), path, frames);
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kFail);
  CHECK(report.counts.contains("sig-bad"));
}

TEST_CASE("attack: a fresh log presented as the old one is found with the pinned key") {
  CrashRig fresh;
  REQUIRE(fresh.life(3).ok());
  Victim victim;
  verify::Options options;
  const auto meta = rows_of(victim.disk(), segment_file(TableId::kMeta, 0));
  options.key = std::get<codec::Genesis>(codec::decode_statement(meta[0].payload)->body).verifier;
  CHECK(victim.rig.verify(options).verdict == verify::Verdict::kPass);
  CHECK(victim.rig.verify(options).basis.size() == 2);
  const verify::Report report = fresh.verify(options);
  REQUIRE(report.verdict == verify::Verdict::kFail);
  CHECK(report.first_break->code == "genesis-mismatch");
  CHECK(fresh.verify().verdict == verify::Verdict::kPass);
}

TEST_CASE("attack: extra files, links, and a table folder that is gone") {
  {
    Victim victim;
    victim.disk().put("root/logs/notes.txt", as_bytes("x"));
    victim.found("file-unaccounted", TableId::kLogs, std::nullopt, "logs/notes.txt");
  }
  {
    Victim victim;
    victim.disk().put_other("root/logs/seg-0000000099.log");
    CHECK(victim.rig.verify().verdict == verify::Verdict::kFail);
  }
  {
    Victim victim;
    const Buffer bytes = victim.disk().read(segment_file(TableId::kLogs, 0));
    victim.disk().put(segment_file(TableId::kLogs, 40), bytes);
    const verify::Report report = victim.rig.verify();
    CHECK(report.verdict == verify::Verdict::kFail);
    CHECK(report.counts.contains("segment-extra"));
  }
  {
    Victim victim;
    victim.disk().move("root/registry", "root/elsewhere");
    const verify::Report report = victim.rig.verify();
    CHECK(report.verdict == verify::Verdict::kFail);
    CHECK(report.counts.contains("table-missing"));
  }
}

TEST_CASE("attack: an index file that no statement names") {
  for (const char* name :
       {"logs/seg-0000000077.idx", "logs/idx-5-9.idx", "logs/idx-0000000064-0000000079.idx",
        "logs/seg-0000000077.run-0", "logs/seg-7.idx.new", "registry/seg-0000000077.idx", "meta/seg-0000000000.idx"}) {
    Victim victim;
    INFO(name);
    victim.disk().put(std::string("root/") + name, as_bytes("no index"));
    const verify::Report report = victim.rig.verify();
    INFO(describe(report));
    REQUIRE(report.verdict == verify::Verdict::kFail);
    CHECK(report.first_break->code == "file-unaccounted");
    CHECK(report.first_break->file == name);
  }
}

TEST_CASE("attack: what may be an index built just before a crash is told, and no finding") {
  Victim victim;
  victim.disk().put("root/logs/seg-0000000000.run-900", as_bytes("no index"));
  victim.disk().put("root/logs/seg-0000000001.idx.new", as_bytes("half an ind"));
  const verify::Report report = victim.rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kPass);
  CHECK(report.counts.contains("file-unaccounted"));
}

// A second goes by with each look at it.
class HurriedClock final : public os::Clock {
 public:
  TimeUs now() const override { return 0; }
  int64_t boot_us() const override { return ++looks_ * 1000000; }
  int64_t looks() const { return looks_; }

 private:
  mutable std::atomic<int64_t> looks_{0};
};

// Verifies with a limit in seconds of that clock; how many went by, and what it said.
std::pair<int64_t, verify::Report> hurried(CrashRig& rig, int64_t seconds) {
  HurriedClock clock;
  verify::Options options;
  options.clock = &clock;
  options.budget_us = seconds * 1000000;
  verify::Report report = rig.verify(options);
  return {clock.looks(), std::move(report)};
}

void blow_up(FakeDisk& disk, const std::string& path) {
  disk.edit(path, [](Buffer& bytes) { bytes.resize(bytes.size() + (8 << 20), 0xA5); });
}

TEST_CASE("attack: a segment blown up holds verify neither beyond its time nor at what cannot be the segment's") {
  const int64_t plain = hurried(original(), 1000).first;
  {
    Victim victim;
    blow_up(victim.disk(), segment_file(TableId::kLogs, victim.active()));
    CHECK(victim.rig.verify().verdict == verify::Verdict::kPass);  // a tail that nobody signed
    const auto [looks, report] = hurried(victim.rig, plain + 4);
    INFO(plain << " looks, now " << looks << "\n" << describe(report));
    CHECK(report.verdict == verify::Verdict::kIncomplete);
  }
  {
    Victim victim;
    blow_up(victim.disk(), segment_file(TableId::kLogs, 1));
    const auto [looks, report] = hurried(victim.rig, 1000);
    INFO(plain << " looks, now " << looks << "\n" << describe(report));
    CHECK(report.verdict == verify::Verdict::kFail);
    CHECK(report.first_break->code == "manifest-mismatch");
    CHECK(report.first_break->file == kLogs1);
    CHECK(looks <= plain + 2);
  }
  {
    Victim victim;  // no footer to end at
    const auto frames = frames_of(victim.disk(), segment_file(TableId::kLogs, 1));
    victim.disk().flip_bit(segment_file(TableId::kLogs, 1), frames.back().offset + 20);
    blow_up(victim.disk(), segment_file(TableId::kLogs, 1));
    const auto [looks, report] = hurried(victim.rig, plain + 4);
    INFO(plain << " looks, now " << looks << "\n" << describe(report));
    CHECK(report.statement.find("Nothing wrong") == std::string::npos);
    CHECK(looks < plain + 8);
  }
}

TEST_CASE("attack: a search for frames passes over a hole of a tebibyte, and finds one that begins in it") {
  const TempDirectory temp;
  const auto file = os::open_directory(temp.path()).value()->open_file("a", os::Mode::kCreate).value();
  Buffer frame;
  codec::append_frame(frame, static_cast<uint8_t>(codec::RecordKind::kCommit), 7, Buffer(256, 0x61));
  REQUIRE(frame[0] == 0);
  const uint64_t behind = uint64_t{1} << 40;
  REQUIRE(file->write_at(behind, Bytes(frame).subspan(1)).ok());
  REQUIRE(file->truncate(2 * behind).ok());
  verify::Control control(os::system_clock(), std::nullopt, nullptr, nullptr);
  CHECK(verify::find_frame(*file, 5, 2 * behind, control).value() == behind - 1);
  CHECK(verify::find_frame(*file, behind, 2 * behind, control).value() == std::nullopt);
}

TEST_CASE("attack: unknown format version and bad magic are told apart, and the files stay as they are (#15)") {
  Victim victim;
  const std::string path = segment_file(TableId::kLogs, 1);
  victim.disk().edit(path, [](Buffer& bytes) { bytes[8] = 9; });
  const Buffer before = victim.disk().read(path);
  verify::Report report = victim.rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kIncomplete);  // this build cannot judge it
  CHECK(victim.disk().read(path) == before);
  Victim other;
  other.disk().edit(path, [](Buffer& bytes) { bytes[0] ^= 1; });
  other.found("frame-corrupt", TableId::kLogs, other.first_row(1), kLogs1);
}

}  // namespace
}  // namespace khipu::tests
