// What somebody who holds the signing key might leave in files: heads, headers, footers, notes, kept states; what only
// one check stands against, each lie alone, found by the words of that check. Lies in records and statements:
// liar_test.cc. tests/attacks/sabotage.py counts on both.
#include "tests/engine/verify/liar.h"

namespace khipu::tests {
namespace {

using Log = LiarLog;

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
  lie("where the active segment begins", [&](auto& head) { head.tables[logs].manifest_entries -= 1; });
  lie("where the rows end", [&](auto& head) { head.tables[index_of(TableId::kMeta)].end_offset = 100; });
  lie("where the rows end", [&](auto& head) { head.tables[registry].end_offset = 1 << 30; });
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
  const SegmentNumber lied = active();  // then sealed, by a writer that knows nothing of it
  while (active() == lied) REQUIRE(log.rig.life(5, kSegment).ok());
  log.told("time-backwards", "before that of the segment in front");
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
