// Where real roots are attacked: one log made by the real programs, and copies of it to be hurt. An attack is found by
// `khipu verify` with code, table, row and file; then the writer is started on what is left, and verify must still
// fail. Not here: the attacks.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/codec/record.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

namespace khipu::tests {

// ---- files
Buffer read_bytes(const std::string& path);
void write_bytes(const std::string& path, Bytes bytes);
void edit(const std::string& path, const std::function<void(Buffer&)>& change);

// ---- what stands in a segment's file
struct AttackedFrame {
  uint64_t offset = 0;
  uint8_t kind = 0;
  TimeUs time = 0;
  Buffer payload;
  uint64_t size() const;
};
std::vector<AttackedFrame> frames_of(Bytes file);
std::vector<AttackedFrame> rows_of(Bytes file);
std::vector<AttackedFrame> commits_of(Bytes file);
// The header as it is, then these frames, with right lengths and checksums.
void put_frames(const std::string& path, const std::vector<AttackedFrame>& frames);
// Puts this frame, of the same length, where `was` stands.
void put_frame(const std::string& path, const AttackedFrame& was, const AttackedFrame& now);

// ---- the log
// "logs/seg-0000000000.log" is kSealed and "logs/seg-0000000001.log" kMiddle of at least four sealed segments, behind
// which is an active one with rows. registry/ has sealed segments too.
inline const std::string kSealed = "logs/seg-0000000000.log", kMiddle = "logs/seg-0000000001.log";
struct Original {
  Original();
  std::string root() const { return folder / "root"; }
  std::string older() const { return folder / "older"; }      // the root and its keys, two events ago
  std::string state() const { return folder / "state"; }      // what an auditor kept of a run of verify
  std::string checkpoint() const { return folder / "note"; }  // and a checkpoint
  std::string key() const { return root() + ".keys/verifier.pub"; }
  std::string active;  // "logs/seg-....log"
  TempDirectory folder;
};
Original& original();
// One event, through the writer.
Ran append_event(const std::string& root, int number);

// How an attack is found. `refused`: part of what the writer says when it will not start on it; empty: it starts.
struct Expected {
  std::string code, table, file;
  std::optional<uint64_t> row;
  std::string refused;
  // Nothing that was signed is changed by it, and the writer puts it right: afterwards verify passes.
  bool healed = false;
};
class Victim {
 public:
  explicit Victim(const std::string& source = original().root());
  std::string root() const { return folder_ / "root"; }
  std::string keys() const { return root() + ".keys"; }
  std::string file(const std::string& name) const { return root() + "/" + name; }
  // `khipu verify --json` with these arguments too.
  Ran verify_with(const std::vector<std::string>& arguments = {}) const;
  // It fails, with this for its first break; and after the writer was started, wrote and published, or refused, it
  // fails still, with this among its findings.
  void found(const Expected& expected, const std::vector<std::string>& arguments = {});
  // It passes, and after the writer wrote and published still.
  void harmless(const std::string& information);

 private:
  nlohmann::json report(int exit, const std::vector<std::string>& arguments) const;
  void start_writer(const std::string& refused);
  TempDirectory folder_;
};
// Row number of the first row of logs/ in this segment's file.
uint64_t first_row_of(const std::string& root, const std::string& name);

}  // namespace khipu::tests
