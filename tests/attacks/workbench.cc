#include "tests/attacks/workbench.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include "engine/codec/frame.h"
#include "engine/segment/format.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace fs = std::filesystem;

Buffer read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  INFO(path);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
void write_bytes(const std::string& path, Bytes bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  INFO(path);
  REQUIRE(out.good());
}
void edit(const std::string& path, const std::function<void(Buffer&)>& change) {
  Buffer bytes = read_bytes(path);
  change(bytes);
  write_bytes(path, bytes);
}

uint64_t AttackedFrame::size() const { return codec::kFrameHeaderSize + payload.size(); }

std::vector<AttackedFrame> frames_of(Bytes file) {
  std::vector<AttackedFrame> frames;
  for (uint64_t offset = segment::kHeaderSize; offset < file.size();) {
    const codec::ParsedFrame parsed = codec::parse_frame(file.subspan(offset));
    REQUIRE(parsed.fault == codec::FrameFault::kNone);
    frames.push_back({offset, parsed.frame.kind, parsed.frame.time_us,
                      Buffer(parsed.frame.payload.begin(), parsed.frame.payload.end())});
    offset += parsed.frame.size();
  }
  return frames;
}
static std::vector<AttackedFrame> some_frames(Bytes file, bool (*wanted)(uint8_t kind)) {
  std::vector<AttackedFrame> frames = frames_of(file);
  std::erase_if(frames, [&](const AttackedFrame& frame) { return !wanted(frame.kind); });
  return frames;
}
std::vector<AttackedFrame> rows_of(Bytes file) { return some_frames(file, codec::is_row); }
std::vector<AttackedFrame> commits_of(Bytes file) {
  return some_frames(file, [](uint8_t kind) { return kind == static_cast<uint8_t>(codec::RecordKind::kCommit); });
}

void put_frames(const std::string& path, const std::vector<AttackedFrame>& frames) {
  edit(path, [&](Buffer& bytes) {
    bytes.resize(segment::kHeaderSize);
    for (const AttackedFrame& frame : frames) codec::append_frame(bytes, frame.kind, frame.time, frame.payload);
  });
}
void put_frame(const std::string& path, const AttackedFrame& was, const AttackedFrame& now) {
  Buffer frame;
  codec::append_frame(frame, now.kind, now.time, now.payload);
  REQUIRE(frame.size() == was.size());
  edit(path, [&](Buffer& bytes) {
    std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<ptrdiff_t>(was.offset));
  });
}

namespace {

// The findings, a line each.
std::string told(const nlohmann::json& report) {
  std::string text = report["statement"].get<std::string>() + "\n";
  for (const nlohmann::json& finding : report["findings"]) {
    const nlohmann::json row = finding.value("row", nlohmann::json());
    text += finding["code"].get<std::string>() + " " + finding.value("table", "-") + " row " + row.dump() + " " +
            finding.value("file", "-") + ": " + finding.value("detail", "") + "\n";
  }
  return text;
}

std::string event(int n, const std::string& name) {
  const std::string fields = name.empty() ? "" : R"(,"fields":{"name":")" + name + R"("})";
  return R"({"actor":{"type":"user","id":"u-)" + std::to_string(n % 50) + "\"" + fields +
         R"(},"action":"PUT","event_id":"e-)" + std::to_string(n) + R"(","content":{"text":")" + std::string(200, 'x') +
         R"("}})" + "\n";
}

void copy_with_keys(const std::string& from, const std::string& to) {
  fs::copy(from, to, fs::copy_options::recursive);
  fs::copy(from + ".keys", to + ".keys", fs::copy_options::recursive);
}

}  // namespace

Ran append_event(const std::string& root, int number) {
  return run({program("khipu"), "append", root}, event(number, ""));
}

Original::Original() {
  constexpr int kBatches = 30, kBatch = 50;
  REQUIRE(run({program("khipu"), "init", root(), "--origin", "example.org/attacked"}).exit == 0);
  write_bytes(folder / "khipu.toml", as_bytes("[writer]\nsegment_size_bytes = 65536\nsync = \"always\"\n"));
  int number = 0;
  {
    Process writer({program("khipu"), "serve", root(), "--config", folder / "khipu.toml"});
    REQUIRE(!writer.wait_for("serve ready").empty());
    for (int batch = 0; batch < kBatches; ++batch) {
      std::string events;
      for (int n = 0; n < kBatch; ++n) events += event(number++, std::to_string(batch) + std::string(40, 'n'));
      const Ran added = run({program("khipu"), "append", root()}, events);
      INFO(added.err);
      REQUIRE(added.exit == 0);
      if (batch % 7 == 0) REQUIRE(run({program("khipu"), "checkpoint", root()}).exit == 0);
    }
    writer.signal(SIGTERM);
    REQUIRE(writer.wait() == 0);
  }
  for (int more = 0; more < 2; ++more) REQUIRE(append_event(root(), number++).exit == 0);
  copy_with_keys(root(), older());
  for (int more = 0; more < 2; ++more) REQUIRE(append_event(root(), number++).exit == 0);
  uint64_t segments = 0;
  while (fs::exists(root() + "/logs/" + segment::segment_name({segments}))) ++segments;
  REQUIRE(segments >= 5);
  active = "logs/" + segment::segment_name({segments - 1});
  REQUIRE(rows_of(read_bytes(root() + "/" + active)).size() >= 4);
  REQUIRE(fs::exists(root() + "/registry/seg-0000000001.log"));
  const Ran kept = run({program("khipu"), "verify", root(), "--save-state", state()});
  INFO(kept.out << kept.err);
  REQUIRE(kept.exit == 0);
  const Ran note = run({program("khipu"), "checkpoint", root()});
  REQUIRE(note.exit == 0);
  write_bytes(checkpoint(), as_bytes(note.out));
}

Original& original() {
  static Original made;
  return made;
}

Victim::Victim(const std::string& source) { copy_with_keys(source, root()); }

Ran Victim::verify_with(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {program("khipu"), "verify", root(), "--json"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(command);
}

nlohmann::json Victim::report(int exit, const std::vector<std::string>& arguments) const {
  const Ran ran = verify_with(arguments);
  INFO(ran.out << ran.err);
  REQUIRE(ran.exit == exit);
  return nlohmann::json::parse(ran.out);
}

// Starts it, lets it write and publish; or it will not start, and says this.
void Victim::start_writer(const std::string& refused) {
  for (int n = 0; n < 2; ++n) {
    const Ran appended = append_event(root(), 100000 + n);
    INFO(appended.out << appended.err);
    if (refused.empty()) {
      REQUIRE(appended.exit == 0);
    } else {
      REQUIRE(appended.exit == 3);
      REQUIRE_THAT(appended.err, ContainsSubstring(refused));
    }
    const Ran published = run({program("khipu"), "checkpoint", root()});
    INFO(published.out << published.err);
    REQUIRE(published.exit == (refused.empty() ? 0 : 3));
  }
}

void Victim::found(const Expected& expected, const std::vector<std::string>& arguments) {
  const nlohmann::json before = report(1, arguments);
  INFO(told(before));
  REQUIRE(before["verdict"] == "fail");
  const nlohmann::json& first = before["first_break"];
  CHECK(first["code"] == expected.code);
  CHECK(first.value("table", "") == expected.table);
  CHECK(first.value("file", "") == expected.file);
  if (expected.row) {
    CHECK(first.value("row", uint64_t{UINT64_MAX}) == *expected.row);
  }
  start_writer(expected.refused);
  const nlohmann::json after = report(expected.healed ? 0 : 1, arguments);
  if (expected.healed) return;
  INFO(told(after));
  CHECK(after["verdict"] == "fail");
  CHECK(std::any_of(after["findings"].begin(), after["findings"].end(), [&](const nlohmann::json& finding) {
    return finding["code"] == expected.code && finding.value("file", "") == expected.file;
  }));
}

void Victim::harmless(const std::string& information) {
  const nlohmann::json before = report(0, {});
  INFO(told(before));
  CHECK(before["verdict"] == "pass");
  if (!information.empty()) {
    CHECK(before["counts"].contains(information));
  }
  start_writer("");
  CHECK(report(0, {})["verdict"] == "pass");
}

uint64_t first_row_of(const std::string& root, const std::string& name) {
  return segment::parse_header(Bytes(read_bytes(root + "/" + name)).first(segment::kHeaderSize))->first_row.value;
}

}  // namespace khipu::tests
