// The rules an event must meet before it may be sequenced. Pure; runs on the producer's thread.
//
// Not here: required fields of a type (they depend on the version current when the event is sequenced: the writer), and
// whether JSON content and JSON values are JSON (whoever filled the batch has checked: canonical_json and the mappers
// of engine/import while parsing, decode_batch for what comes over the socket).
#pragma once

#include <optional>
#include <vector>

#include "engine/ingest/event.h"
#include "engine/registry/schema.h"

namespace khipu::ingest {

// kInvalid with what was wrong, where ("event 3: actor.fields.nmae: ...", counted from 0) and what would be right; an
// unknown type names the command that defines it. `now` bounds occurred_at.
Result<void> validate(const Batch& batch, const registry::Schema& schema, const Limits& limits, TimeUs now);
// The same, and what is wrong with single events comes in `events`, one for each: the Error is of the batch as a whole.
Result<void> validate(const Batch& batch, const registry::Schema& schema, const Limits& limits, TimeUs now,
                      std::vector<std::optional<Error>>& events);
// One event alone, without the "event 3" in front: importers park the ones that fail and go on.
Result<void> validate(const Event& event, const registry::Schema& schema, const Limits& limits, TimeUs now);

// An IPv4 or IPv6 address in text form, without port, prefix length or zone.
bool is_ip_address(std::string_view text);

}  // namespace khipu::ingest
