// Indexes of sealed segments of logs/, built behind the commits: the file first, durable under its name, then (the
// caller) its INDEX statement. A crash in between leaves a segment without index, and the next start builds it again.
// Not here: what is in one (engine/index), when it is built (indexing.cc).
#pragma once

#include <optional>
#include <vector>

#include "engine/codec/statement.h"
#include "engine/os/file.h"
#include "engine/registry/schema.h"
#include "engine/segment/format.h"

namespace khipu::writer {

// Size and root of a table as a commit that was published signs them.
struct CommittedTree {
  uint64_t size = 0;
  Hash root{};
};
// The index of the segment, built from its file and put in its place. kCorrupt when the segment cannot be read or a
// record of it is not the one whose leaf is under the signed root: an INDEX statement would sign for what somebody else
// wrote, and readers believe it without reading the records.
Result<codec::IndexStatement> build_index(os::Directory& logs, const segment::ManifestEntry& entry,
                                          const registry::Schema& schema, const CommittedTree& committed);
// Whether the file a statement names is there. What is in it is checked by who uses it: damage is evidence, and stays
// until somebody takes the file away (P10).
Result<bool> index_present(os::Directory& logs, const codec::IndexStatement& statement);

}  // namespace khipu::writer
