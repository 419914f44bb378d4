// The commit chain through logs/: number, previous hash, signature, time, and at every commit the size and root of
// every table. Where it ends is the line. Owner: one thread, which feeds it logs/ segment by segment.
#pragma once

#include <map>
#include <memory>

#include "engine/segment/format.h"
#include "engine/verify/entities.h"
#include "engine/verify/files.h"
#include "engine/verify/table_trail.h"

namespace khipu::verify {

class Chain {
 public:
  Chain(const HeadState& head, std::array<std::unique_ptr<TableTrail>, kTableCount>& trails, const Entities& entities,
        Findings& findings);

  // An incremental run: goes on behind this commit, which an earlier one reached.
  void resume(const State& state);
  // A footer that names a commit; judged when that commit comes by.
  void expect(TableId table, SegmentNumber segment, uint64_t offset, const segment::Footer& footer);
  // One segment of logs/, whose rows have been pushed into the trail. `facts` is what is left after that.
  Result<void> walk(const std::vector<CommitAt>& commits, const SegmentFacts& facts);
  // A segment of logs/ was let go by policy: the chain goes on behind the commit it was sealed behind.
  void let_go(SegmentNumber segment, CommitNumber commit, const Hash& hash);
  // A segment of logs/ could not be read: what it held is neither there nor missing.
  void skip_unreadable() { unreadable_ = gap_ = true; }
  bool unreadable() const { return unreadable_; }
  void see_tail(const std::vector<CommitAt>& commits, const SegmentFacts& facts);
  // HEAD's slots against the chain, and whatever was expected and never came.
  void finish();

  const std::optional<codec::CommitRecord>& line() const { return line_; }
  const Hash& line_hash() const { return line_hash_; }
  uint64_t line_offset() const { return line_offset_; }  // end of its frame
  SegmentNumber line_segment() const { return line_segment_; }
  uint64_t commits() const { return commits_; }
  uint64_t signatures() const { return signatures_; }

 private:
  struct Expected {
    TableId table;
    SegmentNumber segment;
    uint64_t offset;
    segment::Footer footer;
    // Behind everything in the segment that may explain it.
    Row last_row() const { return Row{footer.first_row.value + std::max<uint64_t>(footer.rows, 1) - 1}; }
  };
  bool solid(const CommitAt& commit, const SegmentFacts& facts) const;
  bool check_form(const CommitAt& commit, const SegmentFacts& facts, bool solid);
  Result<bool> check_tables(const CommitAt& commit, const SegmentFacts& facts, bool solid);
  void check_expected(const CommitAt& commit, const SegmentFacts& facts);
  void check_head_slot(const segment::Head& head, const CommitAt& commit, const SegmentFacts& facts, bool newest);
  Finding finding(std::string_view code, const CommitAt& commit, const SegmentFacts& facts, std::string detail) const;

  const HeadState& head_;
  std::array<std::unique_ptr<TableTrail>, kTableCount>& trails_;
  const Entities& entities_;
  Findings& findings_;
  std::multimap<uint64_t, Expected> expected_;
  std::array<bool, 2> slot_seen_{};
  std::optional<codec::CommitRecord> line_;
  Hash line_hash_{};
  uint64_t line_offset_ = 0;
  SegmentNumber line_segment_;
  CommitNumber resumed_, let_go_;
  uint64_t commits_ = 0, signatures_ = 0;
  bool sig_reported_ = false, ended_ = false;
  bool unreadable_ = false;  // somewhere
  bool gap_ = false;         // right in front of the next commit
};

}  // namespace khipu::verify
