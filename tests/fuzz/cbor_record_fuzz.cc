// Records: whatever decodes, encodes back to the same bytes; what the frame header says is read the same way by both
// readers; and the general reader accepts every record the special ones accept.
#include "engine/codec/access.h"
#include "engine/codec/cbor.h"
#include "engine/codec/protected.h"
#include "engine/codec/statement.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;
using namespace khipu::codec;

static void check_accepted(Bytes input, const Buffer& again, RecordKind kind) {
  KHIPU_ASSERT(Buffer(input.begin(), input.end()) == again);
  const auto facts = frame_facts(input);
  KHIPU_ASSERT(facts.ok() && facts->kind == static_cast<uint8_t>(kind));
  CborReader reader(input);
  KHIPU_ASSERT(reader.skip().ok() && reader.done());
}

KHIPU_FUZZ(input) {
  Buffer again;
  EventRecord event;
  if (decode_event(input, event).ok()) {
    encode_event(again, event);
    check_accepted(input, again, RecordKind::kEvent);
  }
  if (const auto value = decode_protected(input); value.ok()) {
    again.clear();
    append_protected(again, *value);
    KHIPU_ASSERT(Buffer(input.begin(), input.end()) == again);
  }
  VersionRecord version;
  if (decode_version(input, version).ok()) {
    again.clear();
    encode_version(again, version);
    check_accepted(input, again, RecordKind::kVersion);
  }
  if (const auto statement = decode_statement(input); statement.ok()) {
    again.clear();
    encode_statement(again, *statement);
    check_accepted(input, again, RecordKind::kStatement);
  }
  if (const auto access = decode_access(input); access.ok()) {
    again.clear();
    encode_access(again, *access);
    check_accepted(input, again, RecordKind::kAccess);
  }
  if (const auto commit = decode_commit(input); commit.ok()) {
    again.clear();
    encode_commit(again, *commit);
    check_accepted(input, again, RecordKind::kCommit);
    KHIPU_ASSERT(commit_signed_bytes(RootId{}, input).size() == input.size() + 32 - 64);
  }
  // Item by item and in one go come to the same end.
  CborReader whole(input);
  const bool ok = whole.skip().ok() && whole.done();
  CborReader parts(input);
  uint64_t left = 1;
  bool parts_ok = true;
  while (left > 0 && parts_ok) {
    const auto item = parts.next();
    parts_ok = item.ok();
    if (!parts_ok) break;
    --left;
    if (item->kind == CborKind::kArray) left += item->value;
    if (item->kind == CborKind::kMap) left += 2 * item->value;
    if (left > input.size()) parts_ok = false;  // more items than bytes: they cannot all come
  }
  KHIPU_ASSERT(!ok || (parts_ok && parts.done()));
}
