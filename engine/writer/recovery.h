// What a writer does before anything else: find the line (the last valid commit), refuse on evidence, make the line
// durable, set aside what is above it. The rules: engine/FORMAT.md "Recovery". Nothing here is
// ever cut that was not first copied to quarantine/ and synced (P10).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/record.h"
#include "engine/codec/statement.h"
#include "engine/os/file.h"
#include "engine/segment/format.h"
#include "engine/segment/reader.h"
#include "engine/writer/key_side.h"
#include "engine/writer/table.h"
#include "engine/writer/writer.h"

namespace khipu::writer {

struct Recovered {
  segment::Head head;          // what HEAD says now: the line, durable
  size_t head_slot = 0;        // the slot it was written to
  codec::CommitRecord commit;  // the line's commit; number 0 when nothing was ever committed
  std::array<TableStart, kTableCount> tables;
  std::array<segment::Manifest, kTableCount> manifests;
  RecoveryReport report;
  bool contradicts_state = false;  // only when that is accepted
};

// kCorrupt: evidence that something durable is missing or changed; the message says where. Nothing was changed then.
// `accept_rollback`: a log that ends before the key-side state, or is another one, is taken as it is.
Result<Recovered> recover(os::Directory& root, const Keys& keys, const SignedState& state,
                          bool accept_rollback = false);

// Files under quarantine/ that `named` does not name, described for RECOVERY statements.
Result<std::vector<codec::RecoveryStatement>> unnamed_quarantine(os::Directory& root, const Keys& keys,
                                                                 const RootId& root_id,
                                                                 const std::vector<codec::RecoveryStatement>& named);

// Hashes of the signed commit frames of this root that stand anywhere in `bytes`: every offset, CRC, then signature.
struct SignedFrame {
  uint64_t offset = 0;
  CommitNumber number;
  Hash hash{};
};
std::vector<SignedFrame> find_signed_frames(Bytes bytes, const Keys& keys, const RootId& root_id);

// Rows of one segment, in bytes [0, end).
struct SegmentRows {
  SegmentNumber number;
  Row first;
  uint64_t rows = 0;
  uint64_t end = 0;
};
// A table's, as `head` has it: the sealed ones, then the active one.
std::vector<SegmentRows> segments_of(const segment::Manifest& manifest, const segment::HeadTable& head);
// Calls `visit(row, frame)` for rows of one segment from `from` on. kCorrupt with the place.
using VisitRow = std::function<Result<void>(Row, const codec::Frame&)>;
Result<void> for_each_row_of(os::Directory& root, TableId table, const SegmentRows& segment, Row from,
                             const VisitRow& visit);
// The same for rows [from, head.size) of a table, segment by segment.
Result<void> for_each_row(os::Directory& root, TableId table, const segment::Manifest& manifest,
                          const segment::HeadTable& head, Row from, const VisitRow& visit);

}  // namespace khipu::writer
