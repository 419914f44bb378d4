// The writing half of a commit: rows into the tables, the signed frame behind them, sealing. Syncs nothing but what
// sealing demands; publisher.h makes a commit durable and visible.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/result.h"
#include "engine/codec/record.h"
#include "engine/writer/key_side.h"
#include "engine/writer/recovery.h"
#include "engine/writer/sequencer.h"
#include "engine/writer/table.h"

namespace khipu::writer {

// A commit to publish: every table stands where its last TABLE_HEAD says, or is empty and has none.
struct CheckpointTarget {
  codec::CommitRecord commit;
  segment::Head head;
  uint32_t moved = 0;      // bit i: table i has a TABLE_HEAD that no checkpoint before this one names
  uint64_t requests = 0;   // how many requests for a checkpoint it answers, counted from the first
  uint64_t keys_from = 0;  // number of the oldest answer in the idempotency window
};

// One commit on its way from frame to answer.
struct Job {
  codec::CommitRecord commit;
  segment::Head head;                            // without sequence: the publisher counts
  Table::Unwritten frame;                        // to write first, behind the sync of the commit before
  std::vector<std::shared_ptr<os::File>> dirty;  // active segments to fdatasync; logs' last
  std::vector<Answered> answered;
  std::vector<std::function<void(const Error*)>> answers;  // nullptr: durable
  uint64_t events = 0;
  std::optional<CheckpointTarget> checkpoint;  // to publish when it is durable; commit and head are filled in then
};

// Owner: the writer's thread.
class Committer {
 public:
  static Result<std::unique_ptr<Committer>> open(os::Directory& root, const Keys& keys, const RootId& root_id,
                                                 const Recovered& recovered, uint64_t segment_size_bytes);

  // Rows behind the last ones; their tables become dirty. kWithFrame: place_frame() follows at once, and those of
  // logs/ are written with the frame, which only a commit with no other before it in the pipeline may ask for.
  Result<void> write_rows(Pending& pending, Table::Write logs = Table::Write::kNow);
  bool uncommitted() const { return dirty_tables_ != 0; }

  // Signs what the tables hold now as the next commit; place_frame() gives it its place behind the rows. Whoever has
  // the job writes the frame, and only behind the sync of the commit before it ("frame after sync"): sync_files().
  void sign(TimeUs now);
  Result<Job> place_frame();

  // Seals every table that has grown past the bound. Only when the last commit is synced and no row follows it.
  bool wants_seal() const;
  struct Sealed {
    TableId table;
    segment::ManifestEntry entry;
  };
  Result<std::vector<Sealed>> seal();

  CommitNumber next_number() const { return commit_.number.next(); }
  const codec::CommitRecord& commit() const { return commit_; }
  std::array<codec::TableState, kTableCount> states() const;  // with rows that no commit names yet
  // Tree files were synced by the checkpointer for so many rows.
  void tree_synced(TableId table, uint64_t rows);

 private:
  Committer(const Keys& keys, const RootId& root_id) : keys_(keys), root_id_(root_id) {}

  const Keys& keys_;
  RootId root_id_;
  std::array<std::unique_ptr<Table>, kTableCount> tables_;
  codec::CommitRecord commit_;  // the last one whose frame has its place
  Table::Behind behind_;        // where it stands
  Epoch epoch_;
  unsigned dirty_tables_ = 0;   // bit i: table i has rows that no commit frame names yet
  codec::CommitRecord signed_;  // by sign(), not placed yet
  Hash signed_hash_{};
  Buffer signed_frame_;
};

}  // namespace khipu::writer
