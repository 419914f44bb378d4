// What the rows of meta/ say, up to some size. Immutable; the next snapshot's is built from it.
#pragma once

#include <vector>

#include "engine/codec/statement.h"
#include "engine/registry/schema.h"
#include "engine/tree/tree.h"

namespace khipu::snapshot {

struct MetaState {
  std::vector<codec::StatementRecord> statements;  // by row
  registry::Schema schema;
  std::optional<codec::Genesis> genesis;
  tree::Builder tree;  // over exactly these rows
};

}  // namespace khipu::snapshot
