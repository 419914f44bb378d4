// What statements say, held against the log: TABLE_HEADs, published checkpoints, RETENTION and HOLD, ROLLBACK.
#include "engine/crypto/key_file.h"
#include "engine/verify/published.h"
#include "engine/verify/spot.h"
#include "tests/engine/verify/sign.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 3000;

struct Log {
  Log() { REQUIRE(rig.life(30, kSegment).ok()); }
  verify::Report verified() { return rig.verify(); }
  // Fails first of all with this.
  verify::Finding broken(std::string_view code, const verify::Options& options = {}) {
    const verify::Report report = rig.verify(options);
    INFO(describe(report));
    REQUIRE(report.verdict == verify::Verdict::kFail);
    CHECK(report.counts.contains(code));
    for (const verify::Finding& finding : report.findings) {
      if (finding.code == code && !finding.information) return finding;
    }
    FAIL("no such finding");
    return {};
  }
  void passes() {
    const verify::Report report = rig.verify();
    INFO(describe(report));
    CHECK(report.verdict == verify::Verdict::kPass);
  }
  void remove(TableId table, uint64_t first, uint64_t last) {
    for (uint64_t n = first; n <= last; ++n) rig.disk().remove(segment_file(table, n));
  }
  CrashRig rig;
};

TEST_CASE("statements: a TABLE_HEAD that says what the table is passes, with the segments sealed since the last") {
  Log log;
  sign_statements(log.rig, {head_of(log.rig, TableId::kLogs), head_of(log.rig, TableId::kRegistry)});
  log.passes();
  sign_statements(log.rig, {head_of(log.rig, TableId::kLogs)});
  log.passes();
}

TEST_CASE("statements: a TABLE_HEAD of another root, of fewer rows, or of other segments is found") {
  const auto found = [](auto change) {
    Log log;
    sign_statements(log.rig, {head_of(log.rig, TableId::kLogs)});
    codec::TableHead head = head_of(log.rig, TableId::kLogs);
    change(head);
    sign_statements(log.rig, {head});
    const verify::Finding finding = log.broken("head-inconsistent");
    CHECK(finding.table == TableId::kMeta);
    CHECK(finding.row == Row{log.verified().sizes[0] - 1});
  };
  found([](codec::TableHead& head) { head.root[0] ^= 1; });
  found([](codec::TableHead& head) { head.size -= 1; });
  found([](codec::TableHead& head) { head.sealed.push_back({{0}, {0}, 1, 1}); });
  found([](codec::TableHead& head) { head.sealed.push_back({{90}, {0}, 1, 1}); });
}

TEST_CASE("statements: segments let go by a RETENTION are information, the chain goes on behind them") {
  Log log;
  sign_statements(log.rig, {retention_of(log.rig, TableId::kLogs, 0, 1)});
  log.passes();  // nothing is unlinked yet: an interrupted run
  log.remove(TableId::kLogs, 0, 0);
  log.passes();
  log.remove(TableId::kLogs, 1, 1);
  const verify::Report report = log.verified();
  INFO(describe(report));
  REQUIRE(report.verdict == verify::Verdict::kPass);
  CHECK(report.counts.at("deleted-by-policy") == 1);
  REQUIRE(report.findings.front().row_end.has_value());
  // What is gone was not read, and nobody says so.
  const uint64_t gone = report.findings.front().row_end->value;
  CHECK(report.checked.not_retained == gone);
  CHECK(report.checked.records == report.sizes[0] + report.sizes[1] + report.sizes[2] + report.sizes[3] - gone);
  CHECK(report.statement.find(" are not retained") != std::string::npos);
  sign_statements(log.rig, {retention_of(log.rig, TableId::kLogs, 2, 2)});
  log.remove(TableId::kLogs, 2, 2);
  log.passes();
  // Their hashes are still evidence.
  log.rig.disk().flip_bit("root/logs/tree/0", 5);
  CHECK(log.broken("tile-mismatch").file == "logs/tree/0");
}

TEST_CASE("statements: what no RETENTION covers is unexplained, or missing in the middle") {
  {
    Log log;
    sign_statements(log.rig, {retention_of(log.rig, TableId::kLogs, 0, 0)});
    log.remove(TableId::kLogs, 0, 1);
    CHECK(log.broken("deletion-unexplained").segment == SegmentNumber{1});
  }
  {
    Log log;
    sign_statements(log.rig, {retention_of(log.rig, TableId::kLogs, 0, 0)});
    log.remove(TableId::kLogs, 2, 2);
    CHECK(log.broken("segment-missing").segment == SegmentNumber{2});
  }
}

TEST_CASE("statements: a RETENTION that overlaps, lies about its segments, or was made under a HOLD may not stand") {
  const auto found = [](auto change, std::vector<codec::Statement> before) {
    Log log;
    if (!before.empty()) sign_statements(log.rig, before);
    codec::Retention retention = retention_of(log.rig, TableId::kLogs, 0, 0);
    change(retention);
    sign_statements(log.rig, {retention});
    CHECK(log.broken("retention-unauthorised").table == TableId::kMeta);
    log.remove(TableId::kLogs, 0, 0);
    CHECK(log.verified().verdict == verify::Verdict::kFail);
    CHECK(log.verified().counts.contains("deletion-unexplained"));
  };
  const auto none = [](codec::Retention&) {};
  found([](codec::Retention& r) { r.from = Row{1}; }, {});
  found([](codec::Retention& r) { r.to.value += 1; }, {});
  found([](codec::Retention& r) { r.commit_hash[0] ^= 1; }, {});
  found([](codec::Retention& r) { r.recorded_last += 1; }, {});
  found([](codec::Retention& r) { r.last_segment = {100}; }, {});
  found(none, {codec::Hold{"case-7", true, "court order", "tests"}});
  {
    Log log;  // a HOLD that was lifted forbids nothing; the same rows twice may not stand
    sign_statements(log.rig,
                    {codec::Hold{"case-7", true, "court order", "tests"}, codec::Hold{"case-7", false, "over", "tests"},
                     retention_of(log.rig, TableId::kLogs, 0, 0)});
    log.passes();
    sign_statements(log.rig, {retention_of(log.rig, TableId::kLogs, 0, 1)});
    log.broken("retention-unauthorised");
  }
}

codec::StatementRecord retention_record(Log& log, uint64_t first, uint64_t last) {
  codec::StatementRecord record;
  record.recorded_at = 1LL << 60;
  record.body = retention_of(log.rig, TableId::kLogs, first, last);
  return record;
}

// All rows of the log drawn, and all of them as a range.
std::vector<verify::Options> row_modes() {
  std::vector<verify::Options> modes(2);
  modes[0].sample = 1000;
  modes[0].seed = 1;
  modes[1].from_row = Row{0};
  return modes;
}

TEST_CASE("statements: a RETENTION that nobody signed covers nothing") {
  Log log;
  const codec::StatementRecord record = retention_record(log, 0, 0);
  Buffer payload, frame;
  codec::encode_statement(payload, record);
  codec::append_frame(frame, static_cast<uint8_t>(codec::RecordKind::kStatement), record.recorded_at, payload);
  log.rig.disk().edit(segment_file(TableId::kMeta, 0),
                      [&](Buffer& bytes) { bytes.insert(bytes.end(), frame.begin(), frame.end()); });
  log.remove(TableId::kLogs, 0, 0);
  CHECK(log.broken("retention-unauthorised").segment == SegmentNumber{0});
  for (const verify::Options& mode : row_modes()) log.broken("retention-unauthorised", mode);
}

TEST_CASE("statements: a RETENTION in the place of a signed statement covers nothing") {
  Log log;
  const std::string path = segment_file(TableId::kMeta, 0);
  std::vector<ForgedFrame> frames = frames_of(log.rig.disk(), path);
  frames.back().payload.clear();
  codec::encode_statement(frames.back().payload, retention_record(log, 0, 0));
  write_frames(log.rig.disk(), path, frames);
  log.remove(TableId::kLogs, 0, 0);
  CHECK(log.verified().verdict == verify::Verdict::kFail);
  for (const verify::Options& mode : row_modes()) log.broken("retention-unauthorised", mode);
}

TEST_CASE("statements: rows let go are no part of a sample that passes, and it says so") {
  Log log;
  sign_statements(log.rig, {retention_of(log.rig, TableId::kLogs, 0, 1)});
  const uint64_t gone = retention_of(log.rig, TableId::kLogs, 0, 1).to.value;
  log.remove(TableId::kLogs, 0, 1);
  const verify::Report report = log.rig.verify(row_modes()[0]);
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kPass);
  CHECK(report.checked.records == 30 - gone);
  CHECK(report.statement.find(std::to_string(gone) + " more that were drawn are not retained") != std::string::npos);
  // None but such: nothing was looked at.
  verify::Options few;
  few.sample = 1;
  for (few.seed = 1; verify::draw(1, 30, *few.seed).front() >= gone; ++*few.seed) {
  }
  CHECK(log.rig.verify(few).verdict == verify::Verdict::kIncomplete);
  // The manifest says which rows those are, and the statement that it does.
  log.rig.disk().edit("root/logs/manifest", [](Buffer& bytes) {
    segment::ManifestEntry entry = segment::parse_manifest_entry(Bytes(bytes).subspan(160, 160)).value();
    entry.footer.recorded_last += 1;
    const auto changed = segment::encode_manifest_entry(entry);
    std::copy(changed.begin(), changed.end(), bytes.begin() + 160);
  });
  for (const verify::Options& mode : row_modes()) log.broken("retention-unauthorised", mode);
}

TEST_CASE("statements: a ROLLBACK is always listed, and accuses nobody") {
  Log log;
  codec::Rollback rollback;
  rollback.lost_commit = {77};
  rollback.reason = "restored from tape";
  rollback.by = "tests";
  sign_statements(log.rig, {rollback});
  const verify::Report report = log.verified();
  INFO(describe(report));
  CHECK(report.verdict == verify::Verdict::kPass);
  CHECK(report.counts.at("rollback") == 1);
  CHECK(verify::to_json(report).find("tape") == std::string::npos);
}

// A log with publications, each with its TABLE_HEADs.
struct PublishedLog : Log {
  PublishedLog() {
    for (int i = 0; i < 4; ++i) REQUIRE(rig.life(2, 1 << 20).ok());
  }
  std::string text() { return std::string(as_text(rig.disk().read("root/checkpoints.log"))); }
  void put(const std::string& text) { rig.disk().put("root/checkpoints.log", as_bytes(text)); }
};

TEST_CASE("checkpoints: what was published is what the log is") {
  PublishedLog log;
  log.passes();
  CHECK(log.verified().checked.checkpoints >= 12);
  // A torn note at the end is what a crash leaves.
  log.put(log.text() + "example.org/crash\n12");
  log.passes();
  CHECK(log.verified().counts.contains("unacknowledged-tail"));
}

TEST_CASE("checkpoints: a log that was cut, removed, forged or put back to an older copy is found") {
  const std::string file = "checkpoints.log";
  {
    PublishedLog log;
    log.put(log.text().substr(0, log.text().size() / 2));
    CHECK(log.broken("head-missing").file == file);  // TABLE_HEADs are there that were to be published
    log.rig.disk().remove("root/checkpoint");
    log.rig.disk().remove("root/checkpoints.log");
    CHECK(log.broken("head-missing").file == file);
  }
  {
    PublishedLog log;  // the notes of logs and registry taken out
    uint64_t tail = 0;
    std::string of_meta;
    for (const auto& [offset, note] : verify::split_notes(log.text(), tail)) {
      if (note.starts_with("example.org/crash\n")) of_meta += note + "\n";
    }
    log.put(of_meta);
    CHECK(log.broken("head-missing").file == file);
  }
  {
    PublishedLog log;  // a publication, closed by the note of meta, once more
    uint64_t tail = 0;
    std::string twice, publication;
    for (const auto& [offset, note] : verify::split_notes(log.text(), tail)) {
      publication += note + "\n";
      if (!note.starts_with("example.org/crash\n")) continue;
      twice += twice.empty() ? publication + publication : publication;
      publication.clear();
    }
    log.put(twice);
    CHECK(log.broken("head-inconsistent").file == file);
  }
  {
    PublishedLog log;
    std::string text = log.text();
    text[text.find("\n\n") + 60] ^= 1;
    log.put(text);
    CHECK(log.verified().verdict == verify::Verdict::kFail);
  }
  {
    PublishedLog log;  // another key
    const crypto::Key other = crypto::generate_key(crypto::KeyKind::kSigning, "example.org/crash", 1);
    log.rig.disk().put("root.keys/signing.key", crypto::print_key(other).value().bytes());
    publish(log.rig, {});
    log.broken("key-unknown");
  }
  {
    PublishedLog log;  // a note that no TABLE_HEAD names, well signed
    log.put(log.text() + signed_note(log.rig, TableId::kLogs, log.verified().sizes[2], Hash{}) + "\n");
    publish(log.rig, {});
    CHECK(log.broken("head-inconsistent").file == file);
  }
  {
    PublishedLog log;  // of a log that was longer, and of one with another past
    log.put(log.text() + signed_note(log.rig, TableId::kMeta, 100, Hash{}) + "\n");
    const verify::Finding longer = log.broken("rollback");
    CHECK(longer.signed_heads.size() == 1);
  }
  {
    PublishedLog log;
    log.put(log.text() + signed_note(log.rig, TableId::kMeta, log.verified().sizes[0], Hash{}) + "\n");
    log.broken("fork");
  }
}

}  // namespace
}  // namespace khipu::tests
