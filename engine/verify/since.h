// An incremental run: where an earlier one ended, what of the plan that leaves, and where the next may begin. Internal
// to this room.
#pragma once

#include "engine/verify/row_walk.h"
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
// Where old rows stand, by table; where nothing says so, frames are followed.
using Places = std::array<PlaceOf, kTableCount>;
// `Options::reread_blocks` blocks of 256 rows drawn from all that the state covers, against its roots, which the walk
// finds the line to go on from. Beside anything that does not change the run: of that it changes nothing.
struct Reread {
  Findings findings;
  uint64_t rows = 0;  // that were there
};
Result<Reread> reread(Run& run, const State& state, const Plans& plans, const Places& places);
// The old registry rows that new rows refer to.
Result<void> look_up_all(Run& run, const TablePlan& registry, const std::vector<Entities::Need>& needs,
                         const PlaceOf& place_of);

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
