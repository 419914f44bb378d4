// meta/ against the tables it speaks of: TABLE_HEADs against the roots that were walked to, their sealed segments
// against the manifests, ROLLBACKs said aloud. Internal to this room.
#pragma once

#include "engine/codec/statement.h"
#include "engine/verify/since.h"

namespace khipu::verify {

// Before the walk: the sizes that TABLE_HEADs name are wanted of it.
void want_table_heads(const std::vector<codec::StatementRecord>& statements, Trails& trails);
// After it, of committed statements only.
void check_spine(const std::vector<codec::StatementRecord>& statements, const Plans& plans, const Trails& trails,
                 const State* since, Findings& findings);

}  // namespace khipu::verify
