// Where old rows stand in their segments, for an incremental run that looks at a few of them again. Internal to this
// room.
#pragma once

#include "engine/verify/row_walk.h"

namespace khipu::verify {

// From index files of an indexed table. `statements` are those of meta/ by row; those below `stated_to` were seen by an
// earlier run, which built each index anew from its segment's rows, so a file that still has the root they state says
// where the rows stood then. Any other file is not asked. For any thread; borrows plan and statements.
PlaceOf trusted_places(const TablePlan& plan, const std::vector<codec::StatementRecord>& statements,
                       uint64_t stated_to);

}  // namespace khipu::verify
