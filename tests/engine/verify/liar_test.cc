// What somebody who holds the signing key might sign, and what only one check stands against: each lie alone, found by
// the words of that check. tests/attacks/sabotage.py counts on it.
#include "engine/segment/reader.h"
#include "tests/engine/verify/sign.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 3000;

// A log with one segment a table, so that a lie may go anywhere.
struct Log {
  explicit Log(size_t events = 30, uint64_t segment_size = 1 << 20) { REQUIRE(rig.life(events, segment_size).ok()); }
  // Fails, with this sentence among the findings, of this code.
  void told(std::string_view code, std::string_view sentence, verify::Options options = {}) {
    const verify::Report report = rig.verify(std::move(options));
    INFO(describe(report));
    CHECK(report.verdict == verify::Verdict::kFail);
    CHECK(std::any_of(report.findings.begin(), report.findings.end(), [&](const verify::Finding& finding) {
      return finding.code == code && !finding.information && finding.detail.find(sentence) != std::string::npos;
    }));
  }
  verify::Options since() {
    verify::Options options;
    options.since = rig.verify().state;
    REQUIRE(options.since.has_value());
    options.seed = 1;
    return options;
  }
  segment::Head head() { return *segment::newest(segment::read_head(*rig.disk().directory("root")).value()); }
  CrashRig rig;
};

// The entities of a log, to tell lies about. A: an entity with several versions; B: another.
struct Registry {
  explicit Registry(CrashRig& rig) : payloads(rows_of(rig.disk(), segment_file(TableId::kRegistry, 0))) {
    for (const ForgedFrame& row : payloads) {
      codec::VersionRecord version;
      REQUIRE(codec::decode_version(row.payload, version).ok());
      versions.push_back(version);
    }
    for (uint64_t row = 0; row < versions.size(); ++row) {
      if (versions[row].entity) a = *versions[row].entity, a_latest = Row{row};
    }
    REQUIRE(a_latest.value > 0);
    for (uint64_t row = a.value + 1; row < versions.size(); ++row) {
      if (!versions[row].entity && versions[row].id != versions[a.value].id) b = Row{row};
    }
    REQUIRE(b.value > 0);
  }
  // What would come next of A.
  codec::VersionRecord next() const {
    codec::VersionRecord version = versions[a_latest.value];
    version.recorded_at = version.time = versions.back().recorded_at + 1;
    version.entity = a;
    version.previous = a_latest;
    version.version += 1;
    return version;
  }
  Row end() const { return Row{versions.size()}; }
  std::vector<ForgedFrame> payloads;  // the views borrow from here
  std::vector<codec::VersionRecord> versions;
  Row a, a_latest, b;
};

using VersionLie = std::function<void(codec::VersionRecord&, const Registry&)>;
void of_no_first_version(codec::VersionRecord& version, const Registry& registry) {
  version.entity = version.previous = registry.a_latest;
  version.version = 1;
}

TEST_CASE("liar: a version that does not fit what is there") {
  const auto lie = [](std::string_view sentence, const VersionLie& change) {
    Log log;
    const Registry registry(log.rig);
    codec::VersionRecord version = registry.next();
    change(version, registry);
    sign_rows(log.rig, {signed_row(version)});
    log.told("reference-missing", sentence);
  };
  lie("a second first version of the same entity", [](auto& version, const Registry&) {
    version.entity.reset();
    version.previous.reset();
    version.version = 0;
  });
  lie("names a later row", [](auto& version, const Registry& registry) { version.previous = registry.end(); });
  lie("whose entity row is not a first version", of_no_first_version);
  lie("whose type and id are not those of its entity",
      [](auto& version, const Registry& registry) { version.id = registry.versions[registry.b.value].id; });
  lie("does not follow the entity's newest one", [](auto& version, const Registry& registry) {
    version.previous = registry.a;
    version.version = 1;
  });
  lie("number that does not follow the one before", [](auto& version, const Registry&) { version.version += 1; });
  lie("a type that no TYPE statement defines", [](auto& version, const Registry&) {
    version.entity.reset();
    version.previous.reset();
    version.version = 0;
    version.type = "ghost";
  });
  lie("names an event that its commit does not cover", [](auto& version, const Registry&) { version.seq = Row{1000}; });
}

TEST_CASE("liar: versions that do not fit entities which an earlier run read") {
  const auto lie = [](std::string_view sentence, const VersionLie& change, const VersionLie& second = {}) {
    Log log;
    const Registry registry(log.rig);
    const verify::Options options = log.since();
    codec::VersionRecord version = registry.next();
    change(version, registry);
    std::vector<SignedRow> rows = {signed_row(version)};
    if (second) {
      codec::VersionRecord another = registry.next();
      another.previous = registry.end();
      another.version += 1;
      second(another, registry);
      rows.push_back(signed_row(another));
    }
    sign_rows(log.rig, rows);
    log.told("reference-missing", sentence, options);
  };
  const auto none = [](codec::VersionRecord&, const Registry&) {};
  lie("an entity row that is no first version", of_no_first_version);
  lie("a version of another entity", [](auto& version, const Registry& registry) { version.previous = registry.b; });
  lie("a version with another number", [](auto& version, const Registry&) { version.version += 1; });
  lie("an entity of another type or id",
      [](auto& version, const Registry& registry) { version.id = registry.versions[registry.b.value].id; });
  lie("does not follow the entity's newest one", none,
      [](auto& version, const Registry& registry) { version.previous = registry.a_latest; });
  lie("number that does not follow the one before", none, [](auto& version, const Registry&) { version.version += 1; });
}

TEST_CASE("liar: an event that pins what is not what it says") {
  const auto lie = [](std::string_view sentence, bool incremental,
                      const std::function<void(codec::EventRecord&, const Registry&)>& change) {
    Log log;
    const Registry registry(log.rig);
    const std::vector<ForgedFrame> events = rows_of(log.rig.disk(), segment_file(TableId::kLogs, 0));
    codec::EventRecord event;
    REQUIRE(codec::decode_event(events.back().payload, event).ok());
    event.recorded_at += 1;
    change(event, registry);
    const verify::Options options = incremental ? log.since() : verify::Options();
    sign_rows(log.rig, {signed_row(event)});
    log.told("reference-missing", sentence, options);
  };
  lie("pins an entity row that is no first version", false, [](auto& event, const Registry& registry) {
    event.actor = {registry.a_latest, registry.a_latest};
  });
  lie("pins a version of another entity", false, [](auto& event, const Registry& registry) {
    event.actor = {registry.a, registry.b};
  });
  lie("a version of another entity", true, [](auto& event, const Registry& registry) {
    event.actor = {registry.a, registry.b};
  });
  lie("pins a registry row that is not there", false, [](auto& event, const Registry& registry) {
    event.actor = {registry.a, registry.end()};
  });
}

TEST_CASE("liar: records that are none, or of another table") {
  const auto lie = [](TableId table, std::string_view sentence, const std::function<void(SignedRow&)>& change) {
    Log log;
    const ForgedFrame last = rows_of(log.rig.disk(), segment_file(table, 0)).back();
    SignedRow row{table, last.kind, last.time, last.payload};
    change(row);
    sign_rows(log.rig, {row});
    log.told("frame-corrupt", sentence);
  };
  // One member more than there may be: keys 0 to 3, which the frame's header is made of, are in order.
  const auto one_more = [](SignedRow& row) {
    REQUIRE((row.payload[0] >= 0xa0 && row.payload[0] < 0xb7));
    ++row.payload[0];
    row.payload.insert(row.payload.end(), {0x18, 0x63, 0x00});
  };
  lie(TableId::kLogs, "the record does not decode", one_more);
  lie(TableId::kRegistry, "the record does not decode", one_more);
  lie(TableId::kMeta, "outside the closed list or does not decode", one_more);
  lie(TableId::kLogs, "a record of another table's kind",
      [](SignedRow& row) { row.kind = static_cast<uint8_t>(codec::row_kind(TableId::kRegistry)); });
  lie(TableId::kLogs, "the record does not decode", [](SignedRow& row) { row.payload = {0x01}; });
  lie(TableId::kLogs, "kind or time in the frame header", [](SignedRow& row) { row.time += 1; });
}

TEST_CASE("liar: a commit that does not fit its place") {
  const auto lie = [](std::string_view code, std::string_view sentence,
                      const std::function<void(codec::CommitRecord&)>& change) {
    Log log;
    ForgedFrame last = rows_of(log.rig.disk(), segment_file(TableId::kLogs, 0)).back();
    sign_rows(log.rig, {{TableId::kLogs, last.kind, last.time, last.payload}}, change);
    log.told(code, sentence);
  };
  lie("commit-broken", "does not come next", [](codec::CommitRecord& commit) { commit.number.value -= 1; });
  lie("commit-broken", "shows that they were durable", [](codec::CommitRecord& commit) { commit.number.value += 1; });
  lie("commit-broken", "does not name the one before it", [](codec::CommitRecord& commit) { commit.previous[0] ^= 1; });
  lie("time-backwards", "the commit's time is before", [](codec::CommitRecord& commit) { commit.time -= 1'000'000; });
  lie("leaf-mismatch", "tree/0 agrees with the records",
      [](codec::CommitRecord& commit) { commit.tables[index_of(TableId::kLogs)].root[0] ^= 1; });
  lie("commit-broken", "fewer rows than the one before it",
      [](codec::CommitRecord& commit) { commit.tables[index_of(TableId::kRegistry)].size -= 1; });
  {
    Log log;  // a row in front of it that it does not cover
    const codec::TableState before = {log.rig.verify().sizes[2], log.rig.verify().roots[2]};
    const ForgedFrame last = rows_of(log.rig.disk(), segment_file(TableId::kLogs, 0)).back();
    sign_rows(log.rig, {{TableId::kLogs, last.kind, last.time, last.payload}},
              [&](codec::CommitRecord& commit) { commit.tables[index_of(TableId::kLogs)] = before; });
    log.told("row-gap", "does not stand behind as many rows as it says");
  }
  {
    Log log;  // the header of its frame is no part of what is signed
    sign_rows(log.rig, {}, {}, 1);
    log.told("sig-bad", "the commit's signature does not verify");
  }
}

TEST_CASE("liar: a second GENESIS") {
  Log log;
  const auto meta = rows_of(log.rig.disk(), segment_file(TableId::kMeta, 0));
  sign_statements(log.rig, {codec::decode_statement(meta[0].payload)->body});
  log.told("genesis-mismatch", "a second GENESIS");
}

TEST_CASE("liar: a RETENTION that begins at the right row, in another segment, and one of the registry") {
  {
    Log log(30, kSegment);
    codec::Retention retention = retention_of(log.rig, TableId::kLogs, 0, 1);
    retention.first_segment = {1};
    sign_statements(log.rig, {retention});
    log.told("retention-unauthorised", "behind the last segment of the RETENTION before it");
  }
  {
    Log log(30, kSegment);
    codec::Retention retention = retention_of(log.rig, TableId::kLogs, 0, 1);
    retention.table = TableId::kRegistry;
    sign_statements(log.rig, {retention});
    log.told("frame-corrupt", "does not decode");
  }
}

TEST_CASE("liar: a table's checkpoint published in front of the TABLE_HEAD that names it") {
  Log log;
  const std::vector<ForgedFrame> meta = rows_of(log.rig.disk(), segment_file(TableId::kMeta, 0));
  std::vector<Hash> leaves;
  std::optional<codec::TableHead> head;
  for (const ForgedFrame& row : meta) {  // up to the last TABLE_HEAD of logs
    const codec::StatementRecord record = codec::decode_statement(row.payload).value();
    if (const auto* said = std::get_if<codec::TableHead>(&record.body); said && said->table == TableId::kLogs) {
      head = *said;
      break;
    }
    leaves.push_back(tree::leaf_hash(row.payload));
  }
  REQUIRE(head.has_value());
  const std::string first = signed_note(log.rig, TableId::kLogs, head->size, head->root) + "\n" +
                            signed_note(log.rig, TableId::kMeta, leaves.size(), tree::root_of(leaves)) + "\n";
  const std::string rest(as_text(log.rig.disk().read("root/checkpoints.log")));
  log.rig.disk().put("root/checkpoints.log", as_bytes(first + rest));
  log.told("head-inconsistent", "no TABLE_HEAD below the checkpoint of meta names");
}

TEST_CASE("liar: HEAD that differs from its commit in one place") {
  Log original(30, kSegment);
  const auto lie = [&](std::string_view sentence, const std::function<void(segment::Head&)>& change) {
    Log log(30, kSegment);
    segment::Head head = log.head();
    change(head);
    put_head(log.rig.disk(), head);
    log.told("head-inconsistent", sentence);
  };
  const size_t logs = index_of(TableId::kLogs), registry = index_of(TableId::kRegistry);
  lie("the commit's hash", [](auto& head) { head.commit_hash[0] ^= 1; });
  lie("the commit's time", [](auto& head) { head.commit_time += 1; });
  lie("where the commit's frame stands", [](auto& head) { head.commit_offset += 1; });
  lie("the size of the commit's frame", [](auto& head) { head.commit_frame_size += 1; });
  lie("the size of a table", [&](auto& head) { head.tables[registry].size += 1; });
  lie("the root of a table", [&](auto& head) { head.tables[registry].root[0] ^= 1; });
  lie("tree_synced", [&](auto& head) { head.tables[registry].tree_synced = head.tables[registry].size + 1; });
  lie("the first row of a segment",
      [&](auto& head) { head.tables[registry].segment_first_row = Row{head.tables[registry].size + 1}; });
  lie("the number of manifest entries",
      [&](auto& head) { head.tables[logs].manifest_entries = head.tables[logs].segment.value + 1; });
  lie("where logs/ ends", [&](auto& head) { head.tables[logs].end_offset -= 1; });
}

TEST_CASE("liar: headers, footers and manifests that differ in one place") {
  const std::string path = segment_file(TableId::kLogs, 1);
  const auto entry_of = [](Log& log) {
    const Buffer bytes = log.rig.disk().read("root/logs/manifest");
    return segment::parse_manifest_entry(Bytes(bytes).subspan(segment::kManifestEntrySize, segment::kManifestEntrySize))
        .value();
  };
  const auto put_entry = [](Log& log, const segment::ManifestEntry& entry) {
    log.rig.disk().edit("root/logs/manifest", [&](Buffer& bytes) {
      const auto now = segment::encode_manifest_entry(entry);
      std::copy(now.begin(), now.end(), bytes.begin() + segment::kManifestEntrySize);
    });
  };
  const auto header = [&](const std::function<void(segment::Header&)>& change) {
    Log log(30, kSegment);
    log.rig.disk().edit(path, [&](Buffer& bytes) {
      segment::Header now = segment::parse_header(Bytes(bytes).first(segment::kHeaderSize)).value();
      change(now);
      const auto encoded = segment::encode_header(now);
      std::copy(encoded.begin(), encoded.end(), bytes.begin());
    });
    log.told("frame-corrupt", "the segment header is another segment's");
  };
  header([](segment::Header& now) { now.table = TableId::kAccess; });
  header([](segment::Header& now) { now.number.value += 1; });
  header([](segment::Header& now) { now.root_id[0] ^= 1; });
  header([](segment::Header& now) { now.first_row.value += 1; });
  const auto footer = [&](std::string_view sentence, const std::function<void(segment::Footer&)>& change,
                          int64_t header_time_wrong = 0) {
    Log log(30, kSegment);
    auto frames = frames_of(log.rig.disk(), path);
    segment::Footer now = segment::parse_footer(frames.back().payload).value();
    change(now);
    frames.back().payload.clear();
    segment::encode_footer(frames.back().payload, now);
    frames.back().time += header_time_wrong;
    write_frames(log.rig.disk(), path, frames);
    segment::ManifestEntry entry = entry_of(log);
    entry.footer = now;
    put_entry(log, entry);
    log.told("footer-mismatch", sentence);
  };
  const std::string_view behind = "the footer's commit is not the one behind which the segment ends";
  footer(behind, [](segment::Footer& now) { now.root[0] ^= 1; });
  footer(behind, [](segment::Footer& now) { now.commit_hash[0] ^= 1; });
  footer(behind, [](segment::Footer& now) { now.commit_offset += 1; });
  footer("which is not there", [](segment::Footer& now) { now.commit.value += 1000; });
  const std::string_view facts = "the footer's facts are not those of the records";
  footer(facts, [](segment::Footer& now) { now.time_min += 1; });
  footer(facts, [](segment::Footer& now) { now.recorded_first += 1; });
  footer(
      "the time in its frame header", [](segment::Footer&) {}, 1);
  {
    Log log(30, kSegment);
    segment::ManifestEntry entry = entry_of(log);
    entry.file_size += 1;
    put_entry(log, entry);
    log.told("head-inconsistent", "names segment 1 other than the manifest");
    log.told("segment-truncated", "shorter than its manifest entry");
  }
  {
    Log log(30, kSegment);
    log.rig.disk().edit("root/logs/manifest", [](Buffer& bytes) { bytes.resize(bytes.size() + 30); });
    const verify::Report report = log.rig.verify();
    CHECK(report.verdict == verify::Verdict::kPass);
    CHECK(report.counts.contains("unacknowledged-tail"));
  }
}

TEST_CASE("liar: nothing that was ever signed, and commits behind a damaged one, with no HEAD") {
  {
    Log log;
    log.rig.disk().edit(segment_file(TableId::kLogs, 0), [](Buffer& bytes) { bytes.resize(segment::kHeaderSize); });
    log.rig.disk().edit("root/HEAD", [](Buffer& bytes) { std::fill(bytes.begin(), bytes.end(), 0); });
    log.told("commit-broken", "no valid commit");
  }
  {
    Log log;
    std::vector<uint64_t> commits;
    for (const ForgedFrame& frame : frames_of(log.rig.disk(), segment_file(TableId::kLogs, 0))) {
      if (frame.kind == static_cast<uint8_t>(codec::RecordKind::kCommit)) commits.push_back(frame.offset);
    }
    log.rig.disk().flip_bit(segment_file(TableId::kLogs, 0), commits[commits.size() - 4] + 40);
    log.rig.disk().edit("root/HEAD", [](Buffer& bytes) { std::fill(bytes.begin(), bytes.end(), 0); });
    log.told("commit-broken", "was durable; it is damaged or gone");
  }
}

TEST_CASE("liar: a range or a sample of a log that is damaged there") {
  const auto range = [](uint64_t from, uint64_t to) {
    verify::Options options;
    options.from_row = Row{from};
    options.to_row = Row{to};
    return options;
  };
  verify::Options sample;
  sample.sample = 1000;
  sample.seed = 1;
  const std::string file = segment_file(TableId::kLogs, 0);
  {
    Log log;  // the right edge, which is not a row asked for
    log.rig.disk().flip_bit("root/logs/tree/0", 32 * 29 + 3);
    log.told("tile-mismatch", "do not add up to the signed root", range(2, 4));
    log.told("tile-mismatch", "do not add up to the signed root", sample);
  }
  {
    Log log;
    rewrite_row(log.rig.disk(), TableId::kLogs, 0, 3);
    log.told("leaf-mismatch", "not the one that the signed root stands for", range(2, 4));
    log.told("leaf-mismatch", "is not what the signed root stands for", sample);
  }
  {
    Log log;
    log.rig.disk().flip_bit(file, rows_of(log.rig.disk(), file)[3].offset + 40);
    log.told("frame-corrupt", "no whole frame of this row", sample);
  }
  {
    Log log;
    const ForgedFrame row = rows_of(log.rig.disk(), file)[3];
    Buffer frame;
    codec::append_frame(frame, row.kind, row.time + 1, row.payload);
    log.rig.disk().edit(file, [&](Buffer& bytes) {
      std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<ptrdiff_t>(row.offset));
    });
    log.told("frame-corrupt", "kind or time in the frame header", sample);
  }
  {
    Log log;  // the commit that HEAD names
    segment::Head head = log.head();
    head.commit_offset += 1;
    put_head(log.rig.disk(), head);
    log.told("head-inconsistent", "HEAD names a commit that is not there", range(2, 4));
  }
}

TEST_CASE("liar: a checkpoint kept from earlier, and tree files that do not lead to it") {
  Log log;
  const verify::Report before = log.rig.verify();
  const std::string note = signed_note(log.rig, TableId::kLogs, before.sizes[2] - 3, Hash{});
  verify::Options options;
  options.against = {note};
  options.from_row = Row{0};
  options.to_row = Row{1};
  log.told("fork", "has another past", options);
  log.rig.disk().flip_bit("root/logs/tree/0", 32 * 26 + 3);
  log.told("tile-mismatch", "do not lead from an older size to the signed root", options);
}

TEST_CASE("liar: what does not go on from the kept state is read in full") {
  const auto in_full = [](const std::function<void(Log&)>& change) {
    Log log(30, kSegment);
    const verify::Options options = log.since();
    CHECK(log.rig.verify(options).scope == "since");
    change(log);
    const verify::Report report = log.rig.verify(options);
    INFO(describe(report));
    CHECK(report.scope == "full");
  };
  in_full([](Log& log) {
    log.rig.disk().edit("root/logs/manifest",
                        [](Buffer& bytes) { bytes.resize(bytes.size() - segment::kManifestEntrySize); });
  });
  in_full([](Log& log) {
    segment::Head head = log.head();
    head.commit.value -= 1;
    put_head(log.rig.disk(), head);
  });
  in_full([](Log& log) {
    segment::Head head = log.head();
    head.tables[index_of(TableId::kRegistry)].segment_first_row.value += 1;
    put_head(log.rig.disk(), head);
  });
  in_full([](Log& log) {
    const std::string path = segment_file(TableId::kRegistry, log.head().tables[1].segment.value);
    log.rig.disk().edit(path, [](Buffer& bytes) { bytes.resize(bytes.size() - 1); });
  });
}

TEST_CASE("liar: an event that pins a version which its commit does not cover (I7)") {
  Log log;
  const Registry registry(log.rig);
  const codec::TableState before = {log.rig.verify().sizes[1], log.rig.verify().roots[1]};
  codec::EventRecord event;
  const std::vector<ForgedFrame> events = rows_of(log.rig.disk(), segment_file(TableId::kLogs, 0));
  REQUIRE(codec::decode_event(events.back().payload, event).ok());
  event.actor = {registry.a, registry.end()};
  sign_rows(log.rig, {signed_row(registry.next()), signed_row(event)},
            [&](codec::CommitRecord& commit) { commit.tables[index_of(TableId::kRegistry)] = before; });
  log.told("reference-missing", "an event pins a row that its commit does not cover");
}

TEST_CASE("liar: records that go back in time, within a segment and from one to the next") {
  const auto back_in_time = [](Log& log, std::string_view sentence, SegmentNumber segment) {
    const std::vector<ForgedFrame> events = rows_of(log.rig.disk(), segment_file(TableId::kLogs, segment.value));
    codec::EventRecord event;
    REQUIRE(codec::decode_event(events.back().payload, event).ok());
    event.recorded_at -= 1'000'000;
    sign_rows(log.rig, {signed_row(event)});
    log.told("time-backwards", sentence);
  };
  {
    Log log;
    back_in_time(log, "before that of the row in front", {0});
  }
  Log log(5, kSegment);
  const auto active = [&] { return log.head().tables[index_of(TableId::kLogs)].segment; };
  while (active().value == 0 || !rows_of(log.rig.disk(), segment_file(TableId::kLogs, active().value)).empty()) {
    REQUIRE(log.rig.life(1, kSegment).ok());
  }
  back_in_time(log, "before that of the segment in front", {active().value - 1});
}

TEST_CASE("liar: a record of the access log that is none") {
  Log log;
  sign_rows(log.rig, {{TableId::kAccess, static_cast<uint8_t>(codec::row_kind(TableId::kAccess)), 0, {0x01}}});
  log.told("frame-corrupt", "the record does not decode");
}

TEST_CASE("liar: a TABLE_HEAD that names a segment out of turn, and one that was never sealed") {
  for (const uint64_t skip : {uint64_t{0}, uint64_t{1}}) {
    Log log(30, kSegment);
    codec::TableHead head = head_of(log.rig, TableId::kLogs);
    const uint64_t next = log.rig.disk().read("root/logs/manifest").size() / segment::kManifestEntrySize;
    head.sealed = {{{next + skip}, {0}, 1, 1}};
    sign_statements(log.rig, {head});
    log.told("head-inconsistent", skip == 0 ? "which the manifest does not have" : "comes next");
  }
}

TEST_CASE("liar: a RETENTION that begins elsewhere, and one with another digest of the hashes") {
  {
    Log log(30, kSegment);
    codec::Retention retention = retention_of(log.rig, TableId::kLogs, 0, 1);
    retention.from = Row{1};
    sign_statements(log.rig, {retention});
    log.told("retention-unauthorised", "it does not begin where the RETENTION before it ended");
  }
  {
    Log log(30, kSegment);
    codec::Retention retention = retention_of(log.rig, TableId::kLogs, 0, 1);
    retention.tree_sha256[0] ^= 1;
    sign_statements(log.rig, {retention});
    log.told("tile-mismatch", "the hashes of rows let go are not those the RETENTION");
  }
}

TEST_CASE("liar: publications in another order") {
  const auto publications = [](Log& log) {  // behind each note of meta
    std::vector<std::string> parts;
    const std::string text(as_text(log.rig.disk().read("root/checkpoints.log")));
    for (size_t from = 0; from < text.size();) {
      size_t at = from;
      bool meta = false;
      while (!meta) {
        meta = text.substr(at, text.find('\n', at) - at) == "example.org/crash";
        at = text.find("\n\n", text.find("\n\n", at) + 2) + 2;
      }
      parts.push_back(text.substr(from, at - from));
      from = at;
    }
    return parts;
  };
  const auto put = [](Log& log, const std::string& text) {
    log.rig.disk().put("root/checkpoints.log", as_bytes(text));
  };
  {
    Log log;
    REQUIRE(log.rig.life(3).ok());
    const std::vector<std::string> parts = publications(log);
    REQUIRE(parts.size() >= 2);
    std::string text;
    for (const std::string& part : parts) text += part;
    put(log, text + parts.front());
    log.told("head-inconsistent", "a checkpoint of fewer rows than one in front of it");
  }
  {
    Log log;
    std::string text;
    for (std::string part : publications(log)) {
      const size_t registry = part.find("example.org/crash/registry\n"), logs = part.find("example.org/crash/logs\n");
      if (registry == 0 && logs != std::string::npos) {
        const size_t end = part.find("\n\n", part.find("\n\n", logs) + 2) + 2;
        part = part.substr(logs, end - logs) + part.substr(0, logs) + part.substr(end);
      }
      text += part;
    }
    put(log, text);
    log.told("head-inconsistent", "out of its publication's order");
  }
}

TEST_CASE("liar: files between the tree files and in the root, a footer that is gone, HEAD ahead of its log") {
  {
    Log log;
    log.rig.disk().put("root/logs/tree/9", as_bytes("x"));
    log.told("file-unaccounted", "not a level file");
  }
  {
    Log log;
    log.rig.disk().put("root/notes.txt", as_bytes("x"));
    log.told("file-unaccounted", "nothing accounts for this name");
  }
  {
    Log log(30, kSegment);
    auto frames = frames_of(log.rig.disk(), segment_file(TableId::kLogs, 1));
    frames.pop_back();
    write_frames(log.rig.disk(), segment_file(TableId::kLogs, 1), frames);
    log.told("footer-mismatch", "a sealed segment without a footer");
  }
  {
    Log log;
    segment::Head head = log.head();
    head.commit.value += 1;
    put_head(log.rig.disk(), head);
    log.told("head-inconsistent", "HEAD names a commit that is not there: what it published was durable");
  }
  {
    Log log(30, kSegment);
    segment::Head head = log.head();
    head.tables[index_of(TableId::kLogs)].segment_first_row.value += 1;
    put_head(log.rig.disk(), head);
    log.told("row-gap", "does not begin where the one before it ends");
  }
}

TEST_CASE("liar: an older copy against the state of a longer one") {
  Log older;
  CrashRig newer(older.rig.disk().clone(), 5);
  newer.remember(older.rig);
  REQUIRE(newer.life(2).ok());
  verify::Options options;
  options.since = newer.verify().state;
  options.seed = 1;
  older.told("rollback", "the log ends before the commit of the state you keep", options);
}

}  // namespace
}  // namespace khipu::tests
