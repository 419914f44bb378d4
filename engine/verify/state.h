// What an auditor keeps of a verification that passed, so that the next one need only read what is new: the signed head
// it ended at, and where in the files that was. A text of its own, kept by the auditor and never inside the root; keyed
// by origin and key as the auditor pinned them, not by what a store says of itself. Bytes: engine/FORMAT.md "Verify
// state". No I/O.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace khipu::verify {

// Where a table's rows ended, and what a footer will say of the part of its segment that was read.
struct TablePosition {
  uint64_t size = 0;
  Hash root{};
  SegmentNumber segment;  // in which the next row stands
  Row segment_first_row;
  uint64_t offset = 0;         // of the first byte that was not read
  uint64_t commit_offset = 0;  // logs: of the last commit in that segment, 0 when there is none
  TimeUs time_min = 0, time_max = 0, recorded_first = 0;  // of that segment's rows, when it has any
  TimeUs recorded_last = 0;                               // of the table's last row
  uint64_t manifest_entries = 0;
  Hash manifest_sha256{};  // of these entries
  bool operator==(const TablePosition&) const = default;
};

struct State {
  std::string origin;
  std::array<uint8_t, 32> key{};
  RootId root_id{};
  CommitNumber commit;
  Hash commit_hash{};
  TimeUs commit_time = 0;
  std::array<TablePosition, kTableCount> tables;
  CommitNumber full_commit;  // up to here everything was read in one run, at full_time
  TimeUs full_time = 0;
  TimeUs written = 0;
  bool operator==(const State&) const = default;
};
inline constexpr size_t kStateSizeMax = 8192;

std::string format_state(const State& state);
// kInvalid: not a state file, or changed by a slip of the hand; kUnsupported: of another version.
Result<State> parse_state(std::string_view text);

}  // namespace khipu::verify
