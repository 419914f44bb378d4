// Parts that the record codecs share. Internal to this room.
#pragma once

#include "engine/codec/cbor_raw.h"
#include "engine/codec/protected.h"

namespace khipu::codec::raw {

// Upper bound of a value's encoding.
inline size_t value_size_max(const Value& value) { return kHeadSizeMax + value.text.size(); }
uint8_t* put_value(uint8_t* at, const Value& value);
Value read_value(Scan& in);
// One whole protected value: a map in a map.
ProtectedValue read_protected(Scan& in);

// Grows `to` by `size_max` bytes, lets `put` write there, and cuts what was not used.
template <typename Put>
void append_with(Buffer& to, size_t size_max, Put put) {
  const size_t from = to.size();
  to.resize(from + size_max);
  const uint8_t* end = put(to.data() + from);
  const auto size = static_cast<size_t>(end - to.data());
  KHIPU_ASSERT(size <= to.size());
  to.resize(size);
}

// Keys 0, 1 and 2 of a row.
inline constexpr size_t kRowPrefixSizeMax = 1 + 3 + 18 + 10;
uint8_t* put_row_prefix(uint8_t* at, uint64_t members, RecordKind kind, const Uid& uid, TimeUs recorded_at);
// Opens the map and reads key 0: another kind of ours is kCorrupt, an unknown one kUnsupported.
inline bool known_kind(uint64_t kind) {
  switch (static_cast<RecordKind>(kind)) {
    case RecordKind::kEvent:
    case RecordKind::kVersion:
    case RecordKind::kStatement:
    case RecordKind::kAccess:
    case RecordKind::kCommit:
    case RecordKind::kFooter: return kind <= UINT8_MAX;
  }
  return false;
}

KHIPU_HOT void read_kind(Scan& in, RecordKind kind) {
  in.open_map();
  in.need_key(0, "expected key 0, the kind");
  const size_t from = in.offset();
  const uint64_t found = in.unsigned_integer();
  if (found == static_cast<uint64_t>(kind)) return;
  if (known_kind(found)) {
    in.fail_at(from, "a record of another kind");
  } else {
    in.fail_at(from, "unknown kind of record", Code::kUnsupported);
  }
}

KHIPU_HOT void read_row_prefix(Scan& in, RecordKind kind, Uid& uid, TimeUs& recorded_at) {
  read_kind(in, kind);
  in.need_key(1, "expected key 1, the uid");
  in.fixed(uid);
  in.need_key(2, "expected key 2, the time of recording");
  recorded_at = in.integer();
}

}  // namespace khipu::codec::raw
