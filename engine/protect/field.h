// Where a protected value stands, and the bytes that bind it to that place. Not here: keys and ciphers (sealer.h,
// opener.h), what a schema says of a field (engine/registry).
//
// Associated data of a sealed value, one canonical encoding, lengths before what varies (little-endian):
//   "khipu-value-v1" | root id 16 | record uid 16 | ring u16 | key number u32 | kind u8
//   | u16 length, type | u16 length, entity id | u16 length, field
// So a value that is moved to another field, entity, type, record, root or session does not open.
#pragma once

#include <array>
#include <string_view>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/schema.h"

namespace khipu::protect {

// Types of what is no entity's field; a schema's names begin with a letter, so none of them can be a type.
inline constexpr std::string_view kEventType = "@event";    // field: content, source_ip
inline constexpr std::string_view kColumnType = "@column";  // field: the column's name
inline constexpr std::string_view kParkedType = "@parked";  // field: entry; a DLQ entry, by its own uid

struct FieldName {
  std::string_view type;
  std::string_view field;
};

// Borrows its names.
struct FieldPlace {
  RootId root{};
  FieldName name;
  std::string_view entity_id;  // empty where there is no entity
  codec::ValueKind kind = codec::ValueKind::kText;
  Uid uid{};  // of the record that holds the value
};

// Names and ids are at most this long in associated data; longer ones are kLimit, when written and when read.
inline constexpr size_t kNameSizeMax = 65535;

// What a blind index keeps of a value: 8 bytes per term, in the record.
inline constexpr size_t kTokenSize = 8;
using Token = std::array<uint8_t, kTokenSize>;
using Fingerprint = std::array<uint8_t, 8>;

// Replaces what is in `to`.
Result<void> associated_data(const FieldPlace& place, uint16_t ring, uint32_t key_number, Buffer& to);

}  // namespace khipu::protect
