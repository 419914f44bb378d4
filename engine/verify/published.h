// checkpoints.log and `checkpoint`: what was handed to others about this log, held against the log. Every note is
// signed, stands in the order publications have, names a head that the tables had, and - of a table - one that a
// TABLE_HEAD in front of it names. Bytes: engine/FORMAT.md "Checkpoints". Internal to this room.
#pragma once

#include "engine/codec/statement.h"
#include "engine/tree/checkpoint.h"
#include "engine/verify/run.h"

namespace khipu::verify {

struct PublishedNote {
  TableId table = TableId::kMeta;
  tree::Checkpoint checkpoint;
  std::string text;
  uint64_t offset = 0;  // in checkpoints.log
};
struct Published {
  std::vector<PublishedNote> notes;
  uint64_t refused = 0;               // notes that are not of this log, or not signed by its key: findings already
  uint64_t size = 0;                  // of checkpoints.log; 0 when it is not there
  uint64_t tail = 0;                  // bytes behind the last whole note
  std::optional<std::string> newest;  // the file `checkpoint`
  std::optional<segment::Head> head;  // beside a writer: HEAD, read behind the notes, each of which it covers
};
// One text with notes, each followed by an empty line, to its notes; what cannot be one is where `tail` begins.
std::vector<std::pair<uint64_t, std::string>> split_notes(std::string_view text, uint64_t& tail);
// Signatures and form. Findings: what is not a note of this log.
Result<Published> read_published(Run& run);
// For who looks at a few rows below HEAD: that no note at the end of checkpoints.log is of more rows than HEAD covers.
// Beside a writer one is a finding; else a power loss may have left it, and the run is incomplete.
Result<void> check_head_covers(Run& run);
// After the walk, which was asked for the roots at every note's size. `statements`: committed ones.
void check_published(Run& run, const Published& published, const std::vector<codec::StatementRecord>& statements,
                     const codec::CommitRecord& line,
                     const std::function<std::optional<Hash>(TableId, uint64_t)>& root_at);

}  // namespace khipu::verify
