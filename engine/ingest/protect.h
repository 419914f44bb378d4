// Protection applied to a batch: what the schema's rules say of fields and columns, and of content beside them. After
// it no plaintext of a protected value is in what the writer sequences (P7). Not here: keys and ciphers
// (engine/protect), who may be the batch's producer, when KEY statements are committed (engine/writer).
#pragma once

#include "engine/ingest/event.h"
#include "engine/os/clock.h"
#include "engine/protect/sealer.h"
#include "engine/registry/schema.h"

namespace khipu::ingest {

// Is there anything to do? Cheap, and false at once when the schema protects nothing.
bool holds_protected(const Batch& batch, const registry::Schema& schema);

// `batch` was validated against `schema`. Each entity and event that has something sealed gets the uid that its record
// will bear: the ciphertext is bound to it. On an error the batch must not be used any more: kForbidden names the key
// that is missing, kLimit a value that is too long for its index; no message quotes a value.
Result<void> protect(Batch& batch, const registry::Schema& schema, const RootId& root, protect::Sealer& sealer,
                     os::Random& random);

}  // namespace khipu::ingest
