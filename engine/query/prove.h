// Makes proof documents (engine/proof) from a log: against published checkpoints only, so that whoever holds one can
// check them. Every document was checked by engine/proof before it is handed out.
#pragma once

#include <optional>

#include "engine/base/result.h"
#include "engine/proof/document.h"
#include "engine/snapshot/store.h"
#include "engine/tree/checkpoint.h"

namespace khipu::query {

// Which publication: the newest when none is given, else by one of these. kNotFound when there is none like that.
struct ProofPoint {
  std::optional<uint64_t> checkpoint = {};    // number, from 1
  std::optional<uint64_t> size = {};          // of the table's published checkpoint
  std::optional<tree::Checkpoint> kept = {};  // one of the log or of the table that somebody kept
  bool is_newest() const { return !checkpoint && !size && !kept; }
};

// Errors of all three: kNotFound: no such row or checkpoint; kBusy: committed, but not in a published checkpoint yet
// (that takes a second while a writer runs); kPurged: the record is not retained; kCorrupt: the log does not hold what
// it claims, nothing was proven.
Result<proof::EventBundle> prove_event(snapshot::Store& store, Row seq, const ProofPoint& point);
// Rows [from, to) of logs/; kLimit: more than kProvenRowsMax of them, or more than `bytes_max` in their records.
inline constexpr uint64_t kProvenRowsMax = 10000;
inline constexpr uint64_t kProvenBytesMax = proof::kDocumentSizeMax * 5 / 8;  // what a document has room for, in base64
Result<proof::RangeBundle> prove_range(snapshot::Store& store, Row from, Row to, const ProofPoint& point,
                                       uint64_t bytes_max = kProvenBytesMax);
// From the published checkpoint of `table` of old_size to the one of new_size.
Result<proof::ConsistencyBundle> prove_consistency(snapshot::Store& store, TableId table, uint64_t old_size,
                                                   uint64_t new_size);

}  // namespace khipu::query
