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
#include "engine/verify/row_walk.h"
#include "engine/verify/segment_check.h"

namespace khipu::verify {

// INDEX statements of one table by the segment they are about, each with its row of meta/, of those in front of row
// `stated_to`. Borrows the statements.
struct StatedIndex {
  uint64_t row = 0;
  const codec::IndexStatement* statement = nullptr;
};
struct StatedIndexes {
  std::vector<uint32_t> columns;                             // indexed
  std::map<uint64_t, StatedIndex> whole;                     // by segment
  std::map<uint64_t, std::map<uint64_t, StatedIndex>> runs;  // by segment and number
};
StatedIndexes stated_indexes(TableId table, const std::vector<codec::StatementRecord>& statements,
                             uint64_t stated_to = UINT64_MAX);

// Runs of one segment that has no index of its own. It can be done beside anything else; `stated_from` as below, and
// `place_of` old rows, which lie in front of those read here.
struct RunsTask {
  SegmentNumber number;
  Row first_row;
  std::optional<uint64_t> end;  // nullopt: of the active one, its file's
};
std::vector<RunsTask> runs_to_check(const TablePlan& table, const StatedIndexes& stated);
Result<Findings> check_runs(const TablePlan& table, const StatedIndexes& stated, const RunsTask& task,
                            uint64_t stated_from, const PlaceOf& place_of = {});

// Of one table: segments whose rows are retained; `statements` are those below the line. `anew`: segments from this one
// on, and those that statements from row `stated_from` on are about; of the others, read by an earlier run, the files'
// sizes are looked at. Errors: what cannot be read.
struct IndexScope {
  Crew& crew;
  SegmentNumber anew{};
  uint64_t stated_from = 0;
  BuiltIndexes built{};  // by the scan that read the rows anyway; others are built from their segments
  // What check_runs() said, of these very statements; others are checked here.
  std::map<std::pair<TableId, SegmentNumber>, Result<Findings>> runs{};
};
Result<void> check_indexes(const TablePlan& table, const std::vector<codec::StatementRecord>& statements,
                           IndexScope& scope, Findings& findings, const Control& control);

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
