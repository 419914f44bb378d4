// A Batch as bytes, for the way from the command line to a running writer over its Unix socket: verbatim content may be
// any bytes, which JSON cannot carry. Deterministic CBOR (codec/cbor.h); never on disk, so it is versioned but not part
// of engine/FORMAT.md: a writer refuses a version it does not know, and both ends are one build.
//
//   batch  = { 0: 1 (version), 1: [* event], ? 2: key, ? 3: [* key], ? 4: [* bstr (a statement row,
//   codec/statement.h)],
//              ? 5: [+ [name tstr, kind, indexed bool, required bool, required_since int, ? rule tstr]] (columns),
//              ? 6: true (seal_content), ? 7: true (changes_rules), ? 8: true (adds_fields) }
//   key    = [ scope tstr, key tstr, body bstr .size 32 ] event  = { ? 0: occurred_at int, 1: entity (actor), 2:
//   action tstr, ? 3: action_class, ? 4: outcome,
//              ? 5: [+ entity] (targets), ? 6: url, ? 7: source, ? 8: source_ip, ? 9: event_id, ? 10: session,
//              ? 11: entity (on_behalf_of), ? 12: [ content kind, bstr ], ? 13: [+ [ name tstr, value ]] (custom) }
//   entity = [ type tstr, id tstr, [* [ name tstr, value / null ]], deleted bool, ? true (revives; deleted is false) ]
//   value  = tstr (text) / bstr (json) / int / float
#pragma once

#include "engine/ingest/event.h"

namespace khipu::ingest {

Buffer encode_batch(const Batch& batch);
// At least the size of that, without making it.
size_t encoded_size_max(const Batch& batch);
// Strict: any departure from the form above is kInvalid with the offset; JSON content and JSON values are checked to be
// JSON, because the sender may be any process of the group. Owns a copy of the bytes its events view.
Result<Batch> decode_batch(Bytes bytes, const Limits& limits);

}  // namespace khipu::ingest
