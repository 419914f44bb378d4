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

// Rows that an index is about; what is wrong with its file before anybody knows what it ought to be; what the
// comparison says of statement and file.
struct IndexSubject {
  TableId table = TableId::kLogs;
  SegmentNumber segment;
  Row first_row;
  uint64_t rows = 0;
};
std::optional<Finding> check_index_file(const IndexSubject& subject, const codec::IndexStatement& statement,
                                        std::optional<uint64_t> size);
void judge_index(const IndexSubject& subject, const codec::IndexStatement& statement, const BuiltIndex& index,
                 Findings& findings);
// The index of a segment's rows without its hashes; nullopt: they cannot be read, and other findings say so.
Result<std::optional<Buffer>> index_body(os::Directory& folder, TableId table, const segment::ManifestEntry& entry,
                                         const std::vector<codec::StatementRecord>& statements);

// What of that is to be built while the rows are read.
IndexPlan plan_indexes(const std::vector<codec::StatementRecord>& statements);
// The first byte in which a file is not `bytes`.
Result<std::optional<uint64_t>> first_difference(const os::File& file, Bytes bytes);

}  // namespace khipu::verify
