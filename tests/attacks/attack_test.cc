// The attacks of INTEGRITY.md section 4 on real roots made by the real programs: found by `khipu verify` with code,
// table, row and file; and found again after the writer was started on what is left. README.md is the table of all.
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include <nlohmann/json.hpp>

#include "engine/codec/frame.h"
#include "engine/codec/record.h"
#include "engine/segment/format.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

namespace khipu::tests {
namespace {

namespace fs = std::filesystem;
constexpr int kEvents = 120000;  // more than a segment of 32 MiB

Buffer read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
void write(const std::string& path, Bytes bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.good());
}
void edit(const std::string& path, const std::function<void(Buffer&)>& change) {
  Buffer bytes = read(path);
  change(bytes);
  write(path, bytes);
}
std::string event(int n) {
  return R"({"actor":{"type":"user","id":"u-)" + std::to_string(n % 50) + R"("},"action":"PUT","event_id":"e-)" +
         std::to_string(n) + R"(","content":{"text":")" + std::string(200, 'x') + R"("}})" + "\n";
}
void append_one(const std::string& root, int n) { run({program("khipu"), "append", root}, event(n)); }

// One log for all attacks: a sealed segment and an active one; an older copy, and what an auditor keeps of the log.
struct Original {
  Original() {
    REQUIRE(run({program("khipu"), "init", root(), "--origin", "example.org/attacked"}).exit == 0);
    std::string events;
    for (int n = 0; n < kEvents; ++n) events += event(n);
    const Ran added = run({program("khipu"), "append", root()}, events);
    INFO(added.err);
    REQUIRE(added.exit == 0);
    REQUIRE(fs::exists(root() + "/logs/seg-0000000001.log"));
    fs::copy(root(), folder / "older", fs::copy_options::recursive);
    fs::copy(root() + ".keys", folder / "older.keys", fs::copy_options::recursive);
    append_one(root(), kEvents);
    append_one(root(), kEvents + 1);
    const Ran kept = run({program("khipu"), "verify", root(), "--save-state", folder / "state"});
    INFO(kept.out << kept.err);
    REQUIRE(kept.exit == 0);
  }
  std::string root() const { return folder / "root"; }
  TempDirectory folder;
};
Original& original() {
  static Original made;
  return made;
}

struct Victim {
  explicit Victim(const std::string& source = original().root()) {
    fs::copy(source, root(), fs::copy_options::recursive);
    fs::copy(source + ".keys", root() + ".keys", fs::copy_options::recursive);
  }
  std::string root() const { return folder / "root"; }
  std::string file(const std::string& name) const { return root() + "/" + name; }
  nlohmann::json verify() {
    std::vector<std::string> command = {program("khipu"), "verify", root(), "--json"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Ran ran = run(command);
    INFO(ran.out << ran.err);
    CHECK(ran.exit == 1);
    return nlohmann::json::parse(ran.out);
  }
  void found(const std::string& code, const std::string& table, const std::string& where,
             std::optional<uint64_t> row = std::nullopt) {
    const nlohmann::json report = verify();
    INFO(report.dump(1));
    REQUIRE(report["verdict"] == "fail");
    const nlohmann::json& first = report["first_break"];
    CHECK(first["code"] == code);
    CHECK(first.value("table", "") == table);
    CHECK(first.value("file", "") == where);
    if (row) CHECK(first.value("row", uint64_t{UINT64_MAX}) == *row);
    append_one(root(), 7);  // the writer refuses, or writes on: either way
    CHECK(verify()["verdict"] == "fail");
  }
  TempDirectory folder;
  std::vector<std::string> arguments;
};

const std::string kSealed = "logs/seg-0000000000.log", kActive = "logs/seg-0000000001.log";

// The whole frame at `offset`.
Buffer frame_at(const Buffer& bytes, uint64_t offset) {
  const codec::ParsedFrame parsed = codec::parse_frame(Bytes(bytes).subspan(offset));
  REQUIRE(parsed.fault == codec::FrameFault::kNone);
  const Bytes whole = Bytes(bytes).subspan(offset, parsed.frame.size());
  return {whole.begin(), whole.end()};
}

// Where the first record stands: commits are in between.
uint64_t first_record(const Buffer& bytes) {
  uint64_t at = segment::kHeaderSize;
  while (!codec::is_row(bytes[at + 16])) at += frame_at(bytes, at).size();
  return at;
}

TEST_CASE("real attack: a bit flipped in a record") {
  Victim victim;
  edit(victim.file(kSealed), [](Buffer& bytes) { bytes[first_record(bytes) + 60] ^= 4; });
  victim.found("frame-corrupt", "logs", kSealed, 0);
}

TEST_CASE("real attack: a record and its checksum rewritten") {
  Victim victim;
  edit(victim.file(kSealed), [](Buffer& bytes) {
    Buffer frame = frame_at(bytes, first_record(bytes));
    frame[codec::kFrameHeaderSize + 10] ^= 1;  // of the uid
    codec::seal_frame(frame, frame[16], load_le<TimeUs>(frame.data() + 8));
    std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<ptrdiff_t>(first_record(bytes)));
  });
  victim.found("leaf-mismatch", "logs", kSealed, 0);
}

TEST_CASE("real attack: two records swapped") {
  Victim victim;
  edit(victim.file(kSealed), [](Buffer& bytes) {
    const Buffer first = frame_at(bytes, first_record(bytes));
    Buffer both = frame_at(bytes, first_record(bytes) + first.size());
    both.insert(both.end(), first.begin(), first.end());
    std::copy(both.begin(), both.end(), bytes.begin() + static_cast<ptrdiff_t>(first_record(bytes)));
  });
  const nlohmann::json report = victim.verify();
  CHECK(report["first_break"]["row"] == 0);
  CHECK(report["first_break"]["file"] == kSealed);
}

TEST_CASE("real attack: a record taken out of the middle") {
  Victim victim;
  edit(victim.file(kSealed), [](Buffer& bytes) {
    const auto second = static_cast<ptrdiff_t>(first_record(bytes) + frame_at(bytes, first_record(bytes)).size());
    const auto size = static_cast<ptrdiff_t>(frame_at(bytes, static_cast<uint64_t>(second)).size());
    bytes.erase(bytes.begin() + second, bytes.begin() + second + size);
  });
  const nlohmann::json report = victim.verify();
  CHECK(report["counts"].contains("row-gap"));
  CHECK(report["counts"].contains("segment-truncated"));
  append_one(victim.root(), 7);
  CHECK(victim.verify()["verdict"] == "fail");
}

TEST_CASE("real attack: the time in a frame header edited, checksum and all") {
  Victim victim;
  edit(victim.file(kSealed), [](Buffer& bytes) {
    Buffer frame = frame_at(bytes, first_record(bytes));
    codec::seal_frame(frame, frame[16], load_le<TimeUs>(frame.data() + 8) + 1);
    std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<ptrdiff_t>(first_record(bytes)));
  });
  victim.found("frame-corrupt", "logs", kSealed, 0);
}

TEST_CASE("real attack: a hash of the tree files") {
  Victim victim;
  edit(victim.file("logs/tree/0"), [](Buffer& bytes) { bytes[32 * 3] ^= 1; });
  victim.found("tile-mismatch", "logs", "logs/tree/0", 3);
}

TEST_CASE("real attack: the end of a sealed segment cut off") {
  Victim victim;
  edit(victim.file(kSealed), [](Buffer& bytes) { bytes.resize(bytes.size() - 100); });
  victim.found("segment-truncated", "logs", kSealed);
}

TEST_CASE("real attack: the tail of the active segment cut below the line") {
  Victim victim;
  edit(victim.file(kActive), [](Buffer& bytes) { bytes.resize(bytes.size() - 100); });
  const nlohmann::json report = victim.verify();
  INFO(report.dump(1));
  CHECK(report["first_break"]["code"] == "rollback");  // meta, whose commit is gone, published more
  const auto cut = std::find_if(report["findings"].begin(), report["findings"].end(),
                                [](const auto& finding) { return finding["code"] == "segment-truncated"; });
  REQUIRE(cut != report["findings"].end());
  CHECK((*cut)["table"] == "logs");
  CHECK((*cut)["file"] == kActive);
  append_one(victim.root(), 7);
  CHECK(victim.verify()["verdict"] == "fail");
}

TEST_CASE("real attack: the oldest segment removed with no RETENTION") {
  Victim victim;
  fs::remove(victim.file(kSealed));
  victim.found("deletion-unexplained", "logs", kSealed, 0);
}

TEST_CASE("real attack: the manifest edited") {
  Victim victim;
  edit(victim.file("logs/manifest"), [](Buffer& bytes) { bytes[50] ^= 1; });
  victim.found("manifest-mismatch", "logs", "logs/manifest", 0);
}

TEST_CASE("real attack: the registry removed, and a table's folder dropped") {
  {
    Victim victim;
    fs::remove(victim.file("registry/seg-0000000000.log"));
    victim.found("segment-missing", "registry", "registry/seg-0000000000.log", 0);
  }
  {
    Victim victim;
    fs::remove_all(victim.file("registry"));
    const nlohmann::json report = victim.verify();
    CHECK(report["first_break"]["table"] == "registry");
    CHECK(report["counts"]["table-missing"] == 1);
  }
}

TEST_CASE("real attack: a file nothing accounts for, and a symbolic link") {
  {
    Victim victim;
    write(victim.file("logs/notes.txt"), as_bytes("x"));
    victim.found("file-unaccounted", "logs", "logs/notes.txt");
  }
  {
    Victim victim;
    fs::create_symlink("/etc/hostname", victim.file("registry/seg-0000000009.log"));
    victim.found("file-unaccounted", "registry", "registry/seg-0000000009.log");
  }
}

TEST_CASE("real attack: an index of a sealed segment edited") {
  const std::string index = "logs/seg-0000000000.idx";
  Victim victim;
  edit(victim.file(index), [](Buffer& bytes) { bytes[bytes.size() / 2] ^= 0x10; });
  victim.found("index-mismatch", "logs", index);
}

TEST_CASE("real attack: an index removed is information, and the writer builds it again") {
  Victim victim;
  const std::string index = victim.file("logs/seg-0000000000.idx");
  const Buffer before = read(index);
  fs::remove(index);
  const Ran ran = run({program("khipu"), "verify", victim.root(), "--json"});
  CHECK(ran.exit == 0);
  CHECK(ran.out.find("index-missing") != std::string::npos);
  append_one(victim.root(), 7);
  CHECK(read(index) == before);
}

TEST_CASE("real attack: the whole older copy, keys and all, found with the state an auditor keeps") {
  Victim victim(original().folder / "older");
  CHECK(run({program("khipu"), "verify", victim.root()}).exit == 0);  // by itself it is consistent
  victim.arguments = {"--since", original().folder / "state"};
  const nlohmann::json report = victim.verify();
  CHECK(report["first_break"]["code"] == "rollback");
  for (int n = 0; n < 5; ++n) append_one(victim.root(), n);  // written on until it is longer
  CHECK(victim.verify()["first_break"]["code"] == "fork");
}

TEST_CASE("real attack: an older copy of the root alone: the writer refuses") {
  Victim victim(original().folder / "older");
  fs::remove_all(victim.root() + ".keys");
  fs::copy(original().root() + ".keys", victim.root() + ".keys", fs::copy_options::recursive);
  const Ran refused = run({program("khipu"), "append", victim.root()}, event(1));
  INFO(refused.out << refused.err);
  CHECK(refused.exit != 0);
}

TEST_CASE("real attack: a fresh log presented as the old one, with the pinned key") {
  TempDirectory folder;
  REQUIRE(run({program("khipu"), "init", folder / "root", "--origin", "example.org/attacked"}).exit == 0);
  const Ran ran =
      run({program("khipu"), "verify", folder / "root", "--json", "--key", original().root() + ".keys/verifier.pub"});
  CHECK(ran.exit == 1);
  CHECK(nlohmann::json::parse(ran.out)["first_break"]["code"] == "genesis-mismatch");
}

}  // namespace
}  // namespace khipu::tests
