// Entity types and custom columns as plain data, the way TYPE and COLUMN statements carry them. The rules (what may
// change, what an event must have) are in engine/registry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace khipu::codec {

enum class ValueKind : uint8_t { kText = 0, kNumber = 1, kJson = 2 };
enum class Protection : uint8_t { kNone = 0, kDigest = 1, kSealed = 2 };
enum class BlindIndex : uint8_t { kNone = 0, kExact = 1, kPrefix = 2, kNgram = 3 };

std::string_view name(ValueKind kind);  // "text" "number" "json"
std::optional<ValueKind> value_kind(std::string_view name);
std::string_view name(Protection protection);  // "none" "digest" "sealed"
std::optional<Protection> protection(std::string_view name);
std::string_view name(BlindIndex index);  // "none" "exact" "prefix" "ngram"
std::optional<BlindIndex> blind_index(std::string_view name);

struct FieldSchema {
  std::string name;  // [a-z][a-z0-9_]{0,62}
  ValueKind kind = ValueKind::kText;
  Protection protection = Protection::kNone;
  BlindIndex index = BlindIndex::kNone;
  uint32_t index_size = 0;  // n of prefix(n), ngram(n)
  bool required = false;
  bool operator==(const FieldSchema&) const = default;
};

struct TypeSchema {
  std::string name;                 // [a-z][a-z0-9_]{0,62}; "khipu_" is reserved
  std::vector<FieldSchema> fields;  // in the order they were added
  bool operator==(const TypeSchema&) const = default;
};

struct ColumnSchema {
  uint32_t id = 0;  // given by the writer, 1, 2, ...; what records carry
  std::string name;
  ValueKind kind = ValueKind::kText;
  bool indexed = false;
  bool required = false;
  int64_t required_since_us = 0;  // events that occurred earlier may lack it
  bool operator==(const ColumnSchema&) const = default;
};

}  // namespace khipu::codec
