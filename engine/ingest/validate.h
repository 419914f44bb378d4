// The rules an event must meet before it may be sequenced. Pure; runs on the producer's thread.
#pragma once

#include "engine/ingest/event.h"
#include "engine/registry/schema.h"

namespace khipu::ingest {

// kInvalid with what was wrong, where ("event 3: actor.fields.nmae: ...") and what would be right; an unknown type names
// the command that defines it. `now` bounds occurred_at.
Result<void> validate(const Batch& batch, const registry::Schema& schema, const Limits& limits, TimeUs now);

}  // namespace khipu::ingest
