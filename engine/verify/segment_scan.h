// The first half of check_segment(): what stands in the file, in file order, before it is known which row each record
// is. Internal to this room.
#pragma once

#include "engine/index/builder.h"
#include "engine/segment/reader.h"
#include "engine/verify/segment_check.h"

namespace khipu::verify {

// Bytes that are not a whole frame, in front of entry number `entry`.
struct Hole {
  uint64_t entry = 0;
  uint64_t offset = 0, end = 0;
  codec::FrameFault fault = codec::FrameFault::kNone;
};

// Something wrong with one record that was read.
struct RecordFault {
  uint64_t entry = 0;
  std::string_view code;
  std::string detail, expected, actual;
  std::string likely;
};
inline constexpr size_t kRecordFaultsMax = 1000;  // a segment of nothing but faults is reported by its first ones

struct Scanned {
  std::vector<Hash> leaves;
  std::vector<uint64_t> offsets;
  std::vector<Hole> holes;
  std::vector<RecordFault> faults;
  std::vector<CommitAt> commits;       // rows_before and pins_end_row are entry numbers
  std::vector<VersionFacts> versions;  // one an entry
  std::vector<std::pair<uint64_t, codec::StatementRecord>> statements;
  std::optional<segment::Footer> footer;
  std::string footer_fault;  // why the footer cannot be read
  uint64_t footer_offset = 0;
  uint64_t end_offset = 0;
  std::vector<CommitAt> tail_commits;
  std::optional<TimeUs> recorded_first, recorded_last;
  TimeUs time_min = 0, time_max = 0;
  uint64_t references = 0;
  std::unique_ptr<index::Builder> index;  // of all rows, if the context asks for it and none failed
  std::vector<OldPin> old_pins;           // row: entry number
  bool stopped = false;
};

// Reads frames from the header's end to `end`.
Result<Scanned> scan_segment(const SegmentContext& context, const SegmentJob& job, const os::File& file, uint64_t end);
// The next place at or behind `from` where a whole frame of a known kind starts, or nullopt: also when the control said
// to stop. Holes of the file are passed over.
Result<std::optional<uint64_t>> find_frame(const os::File& file, uint64_t from, uint64_t end, Control& control);

}  // namespace khipu::verify
