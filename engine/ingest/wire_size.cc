// How large a batch can be as it is sent (wire.h), without encoding its events.
#include "engine/codec/record.h"
#include "engine/ingest/wire.h"

namespace khipu::ingest {
namespace {

constexpr size_t kHead = 9;  // of any item, and all of a number or a flag

size_t of_text(std::string_view text) { return kHead + text.size(); }

size_t of_entity(const EntityInput& entity) {
  size_t size = 4 * kHead + of_text(entity.type) + of_text(entity.id);
  for (const FieldInput& field : entity.fields) size += kHead + of_text(field.name) + of_text(field.value.text);
  return size;
}

size_t of_event(const Event& event) {
  size_t size = 20 * kHead + of_entity(event.actor) + of_text(event.action);
  for (const EntityInput& target : event.targets) size += of_entity(target);
  for (const std::string_view text : {event.url, event.source, event.source_ip, event.event_id, event.session}) {
    size += of_text(text);
  }
  if (event.on_behalf_of) size += of_entity(*event.on_behalf_of);
  for (const ColumnInput& column : event.custom) size += kHead + of_text(column.name) + of_text(column.value.text);
  return size + of_text(as_text(event.content));
}

size_t of_key(const IdempotencyKey& key) { return 2 * kHead + of_text(key.scope) + of_text(key.key) + key.body.size(); }

}  // namespace

size_t encoded_size_max(const Batch& batch) {
  Batch rest;  // few and small
  rest.statements = batch.statements;
  size_t size = encode_batch(rest).size() + 16 * kHead;
  for (const Event& event : batch.events) size += of_event(event);
  if (batch.key) size += of_key(*batch.key);
  for (const IdempotencyKey& key : batch.event_keys) size += of_key(key);
  return size;
}

}  // namespace khipu::ingest
