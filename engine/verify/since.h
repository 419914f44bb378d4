// An incremental run: where an earlier one ended, what of the plan that leaves, and where the next may begin. Internal
// to this room.
#pragma once

#include "engine/verify/run.h"
#include "engine/verify/table_trail.h"

namespace khipu::verify {

using Plans = std::array<TablePlan, kTableCount>;
using Trails = std::array<std::unique_ptr<TableTrail>, kTableCount>;

// Is the state of this log at all? Findings when it is not.
bool same_log(Run& run, const State& state);
// Leaves out of the plan what the state covers, after a look at manifests and file sizes; trails begin behind it.
// False: the log does not go on from the state, so all of it must be read to say why. meta/ is always read in full.
Result<bool> resume(Run& run, const State& state, Plans& plans, Trails& trails);
// Looks at old rows: those that new ones refer to, and `Options::reread_blocks` blocks of 256 rows drawn from all that
// the state covers, these against the roots of the line.
struct Again {
  std::vector<Entities::Need> needs;
  const std::vector<codec::StatementRecord>* statements;  // by row, at least those the state covers; may be null
};
Result<void> look_again(Run& run, const State& state, const Plans& plans, const codec::CommitRecord& line,
                        const Again& again);

// Follows a run, to know where it ended. Owner: one thread.
class Positions {
 public:
  // `before`: of an incremental run.
  explicit Positions(const State* before);
  void see(TableId id, const SegmentFacts& facts, const SegmentJob& job);
  // Where the next run may begin, when this one read everything up to the line and nothing is behind it.
  std::optional<State> at_line(const Run& run, const Plans& plans, const Trails& trails,
                               const codec::CommitRecord& line, const Hash& line_hash, uint64_t line_offset) const;

 private:
  std::array<TablePosition, kTableCount> at_;
  std::array<uint64_t, kTableCount> rows_{};  // of the segment at_ is in
};
Hash manifest_digest(const TablePlan& plan, uint64_t entries);

}  // namespace khipu::verify
