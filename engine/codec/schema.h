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

// One blind index of a protected field: what a search without its plaintext can ask of it.
struct IndexRule {
  BlindIndex kind = BlindIndex::kExact;
  uint32_t size = 0;  // n of prefix(n), ngram(n)
  bool operator==(const IndexRule&) const = default;
};
std::string text_of(const IndexRule& rule);  // "exact" "prefix(4)" "ngram(3)"
std::optional<IndexRule> index_rule(std::string_view text);

// How values of a field or column are kept. Tokens in a record stand in the order of `indexes`.
struct Rule {
  Protection protection = Protection::kNone;
  std::vector<IndexRule> indexes;
  bool low_entropy = false;  // few possible values: an index gives them away to who can guess
  bool accept_leak = false;  // whoever defined it knows what its indexes leak
  bool subject = false;      // sealed under a key of the entity's own, so that one entity can be shredded
  bool none() const { return protection == Protection::kNone; }
  bool operator==(const Rule&) const = default;
};
std::string text_of(const Rule& rule);  // "sealed,exact,prefix(4),accept_leak"
std::optional<Rule> rule(std::string_view text);
inline constexpr const char* kRuleWords =
    "a rule is none, digest or sealed, then any of exact, prefix(N), ngram(N), low_entropy, accept_leak and subject, "
    "parted by commas";
inline constexpr size_t kIndexesMax = 8;  // of one field

struct FieldSchema {
  std::string name;  // [a-z][a-z0-9_]{0,62}
  ValueKind kind = ValueKind::kText;
  bool required = false;
  Rule rule = {};
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
  Rule rule = {};
  bool operator==(const ColumnSchema&) const = default;
};

}  // namespace khipu::codec
