// Proposes type schemas from a sample of canonical NDJSON events, for `khipu types infer FILE`. A proposal for a person
// to look at: a sample says which fields occurred, not which ones will.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/codec/schema.h"
#include "engine/ingest/event.h"
#include "engine/registry/schema.h"

namespace khipu::import {

struct Inferred {
  uint64_t events = 0;
  uint64_t skipped = 0;                  // lines that are no canonical event
  std::string first_problem;             // of the first skipped line
  std::vector<codec::TypeSchema> types;  // in the order they first occurred; what `schema` already has is included
  std::vector<codec::ColumnSchema> columns;
  std::vector<std::string> notes;  // "user.age: values of several kinds occur: ..."
};

// A field that occurs with several kinds is left out, with a note.
Inferred infer(std::string_view ndjson, const registry::Schema& schema);

}  // namespace khipu::import
