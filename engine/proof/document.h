// What leaves the log so that somebody else can check it: documents with records, paths and signed checkpoints, each
// one JSON file. Specified in engine/FORMAT.md "Proof documents". Not here: how they are made (engine/query/prove.h),
// whether they are right (check.h).
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace khipu::proof {

inline constexpr size_t kDocumentSizeMax = 64U << 20;

// A record and the path from it to a signed checkpoint of its table, as c2sp.org/tlog-proof@v1 text.
struct ProvenRecord {
  Buffer record;
  std::string proof;
  bool operator==(const ProvenRecord&) const = default;
};

// One event, and who and what it names.
struct EventBundle {
  Row seq;
  ProvenRecord event;                // of logs/
  ProvenRecord table_head;           // the TABLE_HEAD row of meta/ that names the checkpoint of logs/
  std::vector<ProvenRecord> pinned;  // of registry/: every version the event pins, once, ascending
  ProvenRecord registry_head;        // empty when nothing is pinned
  bool operator==(const EventBundle&) const = default;
};
// Two checkpoints of one table, and that the later extends the earlier.
struct ConsistencyBundle {
  std::string old_checkpoint, new_checkpoint;  // signed notes
  std::vector<Hash> path;
  bool operator==(const ConsistencyBundle&) const = default;
};
// Rows [from, from + records.size()) of logs/, complete and in order: with the compact ranges of what is in front of
// and behind them they make the signed root.
struct RangeBundle {
  Row from;
  std::vector<Buffer> records;
  std::vector<Hash> left, right;
  std::string checkpoint;  // of logs/, a signed note
  ProvenRecord table_head;
  bool operator==(const RangeBundle&) const = default;
};
using Document = std::variant<EventBundle, ConsistencyBundle, RangeBundle>;

std::string format_document(const Document& document);  // JSON, indented by two
// kInvalid: not JSON, not one of these, a member missing, unknown or of another type. Nothing is believed yet.
Result<Document> parse_document(std::string_view json);

}  // namespace khipu::proof
