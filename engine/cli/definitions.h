// The schema of a root and statements that change it: what `types` and `columns` share.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/codec/statement.h"
#include "engine/registry/schema.h"

namespace khipu::cli {

Result<registry::Schema> current_schema(const std::string& root);
// Nothing to do for no statements. TYPE statements name the fields they are about, and the others stay; those of
// `changes`, which are committed last, may change rules of fields that are there (ingest/event.h).
Result<void> commit_statements(const std::string& root, const std::string& keys, const std::string& network_filesystem,
                               std::vector<codec::Statement> statements, std::vector<codec::Statement> changes = {});

}  // namespace khipu::cli
