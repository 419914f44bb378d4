// Attacks on records, segments, tables and tree files, on roots of the real programs.
// README.md is the table of all.
#include <sys/stat.h>

#include <filesystem>

#include "engine/codec/frame.h"
#include "engine/segment/format.h"
#include "engine/tree/tree.h"
#include "tests/attacks/workbench.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

namespace fs = std::filesystem;

AttackedFrame changed(AttackedFrame row) {
  row.payload[6] ^= 1;  // a byte of its uid: any value decodes
  return row;
}
// Row `index` of this segment with another uid, checksum and all. Returns what stands there now.
AttackedFrame rewrite_row(const std::string& path, size_t index) {
  const AttackedFrame was = rows_of(read_bytes(path)).at(index), now = changed(was);
  put_frame(path, was, now);
  return now;
}
// All level files of a table, from its records as they are now.
void rewrite_tree(const std::string& table) {
  std::vector<Hash> leaves;
  for (uint64_t n = 0; fs::exists(table + "/" + segment::segment_name({n})); ++n) {
    for (const AttackedFrame& row : rows_of(read_bytes(table + "/" + segment::segment_name({n}))))
      leaves.push_back(tree::leaf_hash(row.payload));
  }
  tree::Builder builder;
  std::array<std::vector<Hash>, tree::kLevelCount> levels;
  builder.append(leaves, levels);
  for (size_t level = 0; level < levels.size(); ++level) {
    const std::string path = table + "/tree/" + segment::level_name(level);
    if (!fs::exists(path)) continue;
    write_bytes(path, {reinterpret_cast<const uint8_t*>(levels[level].data()), levels[level].size() * sizeof(Hash)});
  }
}
// Where in a file's frames its row `number` stands, from 0: how many commit frames are before it is the writer's
// timing.
ptrdiff_t place_of_row(const std::vector<AttackedFrame>& frames, size_t number) {
  size_t place = 0;
  for (size_t rows = 0;; ++place)
    if (codec::is_row(frames.at(place).kind) && rows++ == number) return static_cast<ptrdiff_t>(place);
}

uint64_t first_row(const std::string& name) { return first_row_of(original().root(), name); }

TEST_CASE("real attack: a bit flipped in a record") {
  Victim victim;
  const AttackedFrame row = rows_of(read_bytes(victim.file(kMiddle)))[3];
  edit(victim.file(kMiddle), [&](Buffer& bytes) { bytes[row.offset + 60] ^= 4; });
  victim.found({"frame-corrupt", "logs", kMiddle, first_row(kMiddle) + 3, ""});
}

TEST_CASE("real attack: a record and its checksum rewritten") {
  Victim victim;
  rewrite_row(victim.file(kMiddle), 3);
  victim.found({"leaf-mismatch", "logs", kMiddle, first_row(kMiddle) + 3, ""});
}

TEST_CASE("real attack: a record and its hash in tree/0") {
  Victim victim;
  const uint64_t row = first_row(kMiddle) + 3;
  const Hash leaf = tree::leaf_hash(rewrite_row(victim.file(kMiddle), 3).payload);
  edit(victim.file("logs/tree/0"), [&](Buffer& bytes) {
    std::copy(leaf.begin(), leaf.end(), bytes.begin() + static_cast<ptrdiff_t>(row * sizeof(Hash)));
  });
  // Records and tree/0 agree: of the batch that one commit signed, none is known to be right.
  victim.found({"leaf-mismatch", "logs", kMiddle, std::nullopt, ""});
}

TEST_CASE("real attack: a record and all tree files") {
  Victim victim;
  rewrite_row(victim.file(kMiddle), 3);
  rewrite_tree(victim.file("logs"));
  victim.found({"leaf-mismatch", "logs", kMiddle, std::nullopt, "is not what the signed commit says"});
}

TEST_CASE("real attack: hashes of the tree files alone, of rows and of tiles") {
  {
    Victim victim;
    edit(victim.file("logs/tree/0"), [](Buffer& bytes) { bytes[32 * 3] ^= 1; });
    victim.found({"tile-mismatch", "logs", "logs/tree/0", 3, ""});
  }
  {
    Victim victim;
    edit(victim.file("logs/tree/1"), [](Buffer& bytes) { bytes[32 + 5] ^= 1; });
    victim.found({"tile-mismatch", "logs", "logs/tree/1", 256, "is not what the signed commit says"});
  }
  {
    Victim victim;
    edit(victim.file("logs/tree/0"), [](Buffer& bytes) { bytes.resize(32 * 300); });
    victim.found({"tile-mismatch", "logs", "logs/tree/0", 300, "logs/tree: tree/0: wanted "});
  }
}

TEST_CASE("real attack: two records swapped") {
  Victim victim;
  std::vector<AttackedFrame> frames = frames_of(read_bytes(victim.file(kMiddle)));
  std::swap(frames.at(place_of_row(frames, 4)), frames.at(place_of_row(frames, 5)));
  put_frames(victim.file(kMiddle), frames);
  victim.found({"leaf-mismatch", "logs", kMiddle, first_row(kMiddle) + 4, ""});
}

TEST_CASE("real attack: a record taken out of the middle") {
  Victim victim;
  std::vector<AttackedFrame> frames = frames_of(read_bytes(victim.file(kMiddle)));
  frames.erase(frames.begin() + place_of_row(frames, 4));
  put_frames(victim.file(kMiddle), frames);
  victim.found({"row-gap", "logs", kMiddle, first_row(kMiddle) + 4, ""});
}

TEST_CASE("real attack: a record put into the past") {
  Victim victim;
  std::vector<AttackedFrame> frames = frames_of(read_bytes(victim.file(kMiddle)));
  const ptrdiff_t place = place_of_row(frames, 4);
  frames.insert(frames.begin() + place, changed(frames.at(place)));
  put_frames(victim.file(kMiddle), frames);
  victim.found({"leaf-mismatch", "logs", kMiddle, first_row(kMiddle) + 4, ""});
}

TEST_CASE("real attack: a frame of another root in place of one of the same length") {
  // The same log once more, under other keys: its events differ in what the writer adds.
  static const Original other;
  Victim victim;
  const std::vector<AttackedFrame> mine = rows_of(read_bytes(victim.file(kMiddle)));
  const std::vector<AttackedFrame> theirs = rows_of(read_bytes(other.root() + "/" + kMiddle));
  size_t row = 0;
  while (mine.at(row).size() != theirs.at(row).size()) ++row;
  put_frame(victim.file(kMiddle), mine[row], theirs[row]);
  victim.found({"leaf-mismatch", "logs", kMiddle, first_row(kMiddle) + row, ""});
  // And its whole segment, which has another root id in its header.
  Victim whole;
  fs::copy(other.root() + "/" + kMiddle, whole.file(kMiddle), fs::copy_options::overwrite_existing);
  const Ran found = whole.verify_with();
  CHECK(found.exit == 1);
  CHECK_THAT(found.out, ContainsSubstring("the segment header is another segment's"));
}

TEST_CASE("real attack: the time in a frame header edited, checksum and all") {
  Victim victim;
  const AttackedFrame was = rows_of(read_bytes(victim.file(kMiddle)))[3];
  AttackedFrame now = was;
  now.time += 1;
  put_frame(victim.file(kMiddle), was, now);
  victim.found({"frame-corrupt", "logs", kMiddle, first_row(kMiddle) + 3, ""});
}

TEST_CASE("real attack: the tail of the active segment cut below the line") {
  const std::string active = original().active;
  {
    // In the middle of the newest commit's frame: HEAD names it.
    Victim victim;
    edit(victim.file(active), [](Buffer& bytes) { bytes.resize(bytes.size() - 100); });
    victim.found({"rollback", "meta", "checkpoints.log", std::nullopt, "HEAD names a commit at " + active + " byte "});
  }
  {
    // Of HEAD too: the state beside the keys knows more.
    Victim victim;
    const std::vector<AttackedFrame> commits = commits_of(read_bytes(victim.file(active)));
    edit(victim.file(active), [&](Buffer& bytes) { bytes.resize(commits[commits.size() - 2].offset); });
    fs::resize_file(victim.file("HEAD"), 0);
    victim.found({"rollback", "meta", "checkpoints.log", std::nullopt, "the last signed state is commit "});
  }
}

TEST_CASE("real attack: the end of a sealed segment cut off") {
  {
    Victim victim;
    edit(victim.file(kSealed), [](Buffer& bytes) { bytes.resize(bytes.size() - 10); });
    victim.found({"segment-truncated", "logs", kSealed, 0, ""});
  }
  {
    Victim victim;
    const uint64_t last = rows_of(read_bytes(victim.file(kMiddle))).back().offset;
    edit(victim.file(kMiddle), [&](Buffer& bytes) { bytes.resize(last); });
    victim.found({"segment-truncated", "logs", kMiddle, first_row(kMiddle), ""});
  }
}

TEST_CASE("real attack: a sealed segment in the middle removed") {
  Victim victim;
  fs::remove(victim.file(kMiddle));
  victim.found({"segment-missing", "logs", kMiddle, first_row(kMiddle), ""});
}

TEST_CASE("real attack: the segment at the end removed") {
  const std::string active = original().active;
  Victim victim;
  fs::remove(victim.file(active));
  victim.found({"rollback", "meta", "checkpoints.log", std::nullopt, "HEAD names a commit at " + active});
}

TEST_CASE("real attack: the oldest segments removed with no RETENTION") {
  Victim victim;
  fs::remove(victim.file(kSealed));
  fs::remove(victim.file(kMiddle));
  victim.found({"deletion-unexplained", "logs", kSealed, 0, ""});
}

TEST_CASE("real attack: the footer edited, and the manifest with it, to hide rows from a window of time") {
  const auto hide = [](Victim& victim, bool manifest) {
    std::vector<AttackedFrame> frames = frames_of(read_bytes(victim.file(kMiddle)));
    segment::Footer footer = segment::parse_footer(frames.back().payload).value();
    footer.time_max -= 1000;
    frames.back().payload.clear();
    segment::encode_footer(frames.back().payload, footer);
    put_frames(victim.file(kMiddle), frames);
    if (!manifest) return;
    edit(victim.file("logs/manifest"), [&](Buffer& bytes) {
      const Bytes old = Bytes(bytes).subspan(segment::kManifestEntrySize, segment::kManifestEntrySize);
      segment::ManifestEntry entry = segment::parse_manifest_entry(old).value();
      entry.footer = footer;
      const auto now = segment::encode_manifest_entry(entry);
      std::copy(now.begin(), now.end(), bytes.begin() + segment::kManifestEntrySize);
    });
  };
  {
    Victim victim;
    hide(victim, false);
    victim.found({"manifest-mismatch", "logs", "logs/manifest", first_row(kMiddle), ""});
  }
  {
    Victim victim;
    hide(victim, true);
    victim.found({"footer-mismatch", "logs", kMiddle, std::nullopt, ""});
  }
}

TEST_CASE("real attack: the manifest damaged, cut, and without the entry of a segment that is gone") {
  {
    Victim victim;
    edit(victim.file("logs/manifest"), [](Buffer& bytes) { bytes[segment::kManifestEntrySize + 50] ^= 1; });
    victim.found({"manifest-mismatch", "logs", "logs/manifest", first_row(kMiddle), "manifest"});
  }
  {
    Victim victim;
    edit(victim.file("logs/manifest"), [](Buffer& bytes) { bytes.resize(bytes.size() - segment::kManifestEntrySize); });
    victim.found({"manifest-mismatch", "logs", "logs/manifest", std::nullopt, "no sound frame at byte "});
  }
  {
    Victim victim;
    fs::remove(victim.file(kMiddle));
    edit(victim.file("logs/manifest"), [](Buffer& bytes) {
      bytes.erase(bytes.begin() + segment::kManifestEntrySize, bytes.begin() + 2 * segment::kManifestEntrySize);
    });
    victim.found({"manifest-mismatch", "logs", "logs/manifest", first_row(kMiddle), "manifest"});
  }
}

TEST_CASE("real attack: a bit flipped in a record, and a manifest made longer than anybody reads it") {
  Victim victim;
  const AttackedFrame row = rows_of(read_bytes(victim.file(kMiddle)))[3];
  edit(victim.file(kMiddle), [&](Buffer& bytes) { bytes[row.offset + 60] ^= 4; });
  fs::resize_file(victim.file("logs/manifest"), segment::kManifestSizeMax + (1 << 20));
  victim.found({"frame-corrupt", "logs", kMiddle, first_row(kMiddle) + 3, ""});
}

TEST_CASE("real attack: the registry rewritten, trees and all, and removed") {
  const std::string first = "registry/seg-0000000000.log";
  {
    Victim victim;
    rewrite_row(victim.file(first), 2);
    victim.found({"leaf-mismatch", "registry", first, 2, ""});
  }
  {
    Victim victim;
    rewrite_row(victim.file(first), 2);
    rewrite_tree(victim.file("registry"));
    victim.found({"leaf-mismatch", "registry", first, std::nullopt, "is not what the signed commit says"});
  }
  {
    Victim victim;
    fs::remove(victim.file(first));
    victim.found({"segment-missing", "registry", first, 0, "registry"});
  }
}

TEST_CASE("real attack: a table's folder dropped") {
  for (const std::string table : {"registry", "access"}) {
    Victim victim;
    fs::remove_all(victim.file(table));
    victim.found({"table-missing", table, table, 0, table});
  }
  Victim victim;
  fs::remove_all(victim.file("meta"));
  victim.found({"genesis-mismatch", "meta", "meta/seg-0000000000.log", 0, "meta"});
}

TEST_CASE("real attack: a table's first segment, or meta itself, is something that is no file") {
  for (const std::string table : {"meta", "logs"}) {
    Victim victim;
    const std::string segment = table + "/seg-0000000000.log";
    fs::remove(victim.file(segment));
    REQUIRE(::mkfifo(victim.file(segment).c_str(), 0600) == 0);
    const bool meta = table == "meta";
    victim.found({meta ? "genesis-mismatch" : "deletion-unexplained", table, segment, 0, meta ? "regular file" : ""});
  }
  Victim victim;
  fs::remove_all(victim.file("meta"));
  write_bytes(victim.file("meta"), as_bytes("x"));
  victim.found({"genesis-mismatch", "meta", "meta/seg-0000000000.log", 0, "meta"});
}

TEST_CASE("real attack: files that nothing accounts for, and symbolic links") {
  {
    Victim victim;
    write_bytes(victim.file("logs/notes.txt"), as_bytes("x"));
    victim.found({"file-unaccounted", "logs", "logs/notes.txt", std::nullopt, ""});
  }
  {
    Victim victim;
    fs::create_symlink("/etc/hostname", victim.file("registry/seg-0000000009.log"));
    victim.found(
        {"file-unaccounted", "registry", "registry/seg-0000000009.log", std::nullopt, "links are not followed"});
  }
  {
    // The file itself, outside the root, under a link of its name.
    Victim victim;
    fs::rename(victim.file(kMiddle), victim.root() + ".elsewhere");
    fs::create_symlink(victim.root() + ".elsewhere", victim.file(kMiddle));
    victim.found({"segment-missing", "logs", kMiddle, first_row(kMiddle), ""});
  }
  {
    Victim victim;  // above the line: the writer sets it aside, with a RECOVERY statement
    fs::copy(victim.file(kMiddle), victim.file("logs/seg-0000000040.log"));
    victim.found({"segment-extra", "logs", "logs/seg-0000000040.log", std::nullopt, "", true});
    CHECK(fs::exists(victim.file("quarantine")));
  }
}

TEST_CASE("real attack: an index of a sealed segment edited, and the one of another segment in its place") {
  const std::string index = "logs/seg-0000000000.idx";
  {
    Victim victim;
    edit(victim.file(index), [](Buffer& bytes) { bytes[bytes.size() / 2] ^= 0x10; });
    victim.found({"index-mismatch", "logs", index, std::nullopt, ""});
  }
  Victim victim;
  fs::copy_file(victim.file("logs/seg-0000000001.idx"), victim.file(index), fs::copy_options::overwrite_existing);
  victim.found({"index-mismatch", "logs", index, std::nullopt, ""});
}

TEST_CASE("real attack: an index removed is information, and the writer builds it again") {
  Victim victim;
  const std::string index = victim.file("logs/seg-0000000000.idx");
  const Buffer before = read_bytes(index);
  fs::remove(index);
  victim.harmless("index-missing");
  CHECK(read_bytes(index) == before);
}

}  // namespace
}  // namespace khipu::tests
