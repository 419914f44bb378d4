// Index files of logs/ and registry/: each held against its INDEX statement and against one built anew from the
// segment's rows. An index that is not there is information: the writer's next start builds it again. Not here: the
// rows (segment_check.h).
#pragma once

#include <map>
#include <vector>

#include "engine/codec/statement.h"
#include "engine/os/file.h"
#include "engine/verify/control.h"
#include "engine/verify/files.h"
#include "engine/verify/report.h"
#include "engine/verify/segment_check.h"

namespace khipu::verify {

// Of one table: segments whose rows are retained; `statements` are those below the line. `anew`: segments from this one
// on, and those that statements from row `stated_from` on are about; of the others, read by an earlier run, the files'
// sizes are looked at. Errors: what cannot be read.
struct IndexScope {
  SegmentNumber anew;
  uint64_t stated_from = 0;
  size_t threads = 1;
  BuiltIndexes built;  // by the scan that read the rows anyway; others are built from their segments
};
Result<void> check_indexes(const TablePlan& table, const std::vector<codec::StatementRecord>& statements,
                           const IndexScope& scope, Findings& findings, const Control& control);

// What of that is to be built while the rows are read.
IndexPlan plan_indexes(const std::vector<codec::StatementRecord>& statements);
// The first byte in which a file is not `bytes`.
Result<std::optional<uint64_t>> first_difference(const os::File& file, Bytes bytes);

}  // namespace khipu::verify
