// Indexes of sealed segments of logs/ and registry/, built behind the commits: the file first, durable under its name,
// then (the caller) its INDEX statement. A crash in between leaves a segment without index, and the next start builds
// it again. Not here: what is in one (engine/index), when it is built (indexing.cc).
#pragma once

#include <optional>
#include <vector>

#include "engine/codec/statement.h"
#include "engine/index/format.h"
#include "engine/os/file.h"
#include "engine/registry/schema.h"
#include "engine/segment/format.h"

namespace khipu::writer {

// Size and root of a table as a commit that was published signs them.
struct CommittedTree {
  uint64_t size = 0;
  Hash root{};
};
// The index of the segment, built from its file and put in its place. `folder` is the table's. kCorrupt when the
// segment cannot be read or a record of it is not the one whose leaf is under the signed root: an INDEX statement would
// sign for what somebody else wrote, and readers believe it without reading the records.
Result<codec::IndexStatement> build_index(os::Directory& folder, TableId table, const segment::ManifestEntry& entry,
                                          const registry::Schema& schema, const CommittedTree& tree);
// Rows [first_row, first_row + rows) of a segment that grows; they are committed.
struct RunPlace {
  index::RunName name;
  Row segment_first_row, first_row;
  uint64_t rows = 0;
  uint64_t offset = 0;  // where the first of them stands, or a frame before it that is no row; 0: not known
  uint64_t end = 0;     // committed bytes of the segment
};
struct BuiltRun {
  codec::IndexStatement statement;
  uint64_t end_offset = 0;  // behind its last row
};
// As build_index().
Result<BuiltRun> build_run(os::Directory& folder, TableId table, const RunPlace& place, const registry::Schema& schema,
                           const CommittedTree& tree);
// Whether the file a statement names is there. What is in it is checked by who uses it: damage is evidence, and stays
// until somebody takes the file away (P10).
Result<bool> index_present(os::Directory& folder, const codec::IndexStatement& statement);

}  // namespace khipu::writer
