// Single rows against the signed root of their table: what the sample mode and the second look of an incremental run
// do. Internal to this room.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "engine/verify/row_walk.h"
#include "engine/verify/run.h"

namespace khipu::verify {

// Of a table, as this commit signed it.
struct SignedRoot {
  codec::TableState state;
  CommitNumber commit;
};
// Every row of `rows` (ascending): its frame, its leaf, the path to the signed root. Returns how many were there.
// `visit`: each that has a frame, whatever was found. Of the run nothing but its control changes.
Result<uint64_t> check_rows(Run& run, const TablePlan& plan, const SignedRoot& root, const std::vector<uint64_t>& rows,
                            Findings& findings, const PlaceOf& place_of = {},
                            const std::function<void(const WalkedRow&)>& visit = {});
// The registry rows that these events pin, against the registry's signed root: that they are there, whose they are, and
// that a protected value they repeat is the one that the version before them has. `pins` go with the event's row.
Result<void> check_pinned(Run& run, const codec::TableState& registry,
                          const std::vector<std::pair<codec::Pin, uint64_t>>& pins);
// `count` different numbers below `population`, ascending, the same for the same seed.
std::vector<uint64_t> draw(uint64_t count, uint64_t population, uint64_t seed);
// Which rows are needed, each with the place of its need.
using NeededRows = std::vector<std::pair<uint64_t, size_t>>;
NeededRows needed_rows(const std::vector<Entities::Need>& needs);
// What an incremental run takes from registry rows that it does not read; of the needs those in `rows`.
Result<void> look_up(Run& run, const TablePlan& registry, const std::vector<Entities::Need>& needs, NeededRows rows,
                     Findings& findings, const PlaceOf& place_of = {});

}  // namespace khipu::verify
