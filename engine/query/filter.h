// What may be asked of the log: a filter as plain data, and its one encoding. Not here: names of entities looked up and
// rows compared (matcher.h), times as people write them (time_text.h), JSON (mcp/tools).
//
// Members are ANDed, values inside a list are ORed - but `targets` and `target_matches`, where every one must be met,
// each by any of the event's targets. Letters: `exact` compares bytes; `exact_ci`, `prefix`, `contains` and `text`
// compare after fold.h's lower-casing, on every path alike. `action`, `source` and `url_prefix` compare bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/codec/record.h"
#include "engine/query/answer.h"
#include "engine/query/hours.h"

namespace khipu::query {

// A value that owns its text.
struct OwnedValue {
  codec::Value::Kind kind = codec::Value::Kind::kText;
  std::string text;
  int64_t integer = 0;
  uint64_t unsigned_integer = 0;
  double real = 0;
  OwnedValue() = default;
  explicit OwnedValue(const codec::Value& value);
  codec::Value view() const { return {kind, text, integer, unsigned_integer, real}; }  // borrows from this
  // The text itself, verbatim JSON, or the number in decimal.
  // Of a protected one: "(sealed, up to 32 bytes)".
  std::string as_text() const;
  bool operator==(const OwnedValue&) const = default;
};
// What may be told of a protected value without its key: how it is protected, and its size to the next class.
struct Withheld {
  codec::Protection protection = codec::Protection::kNone;
  uint64_t size_class = 0;  // bytes of the padded plaintext; 0 for a digest, which has no size
};
Withheld withheld(const OwnedValue& value);
// The same value as far as can be seen: of protected ones, the fingerprints.
bool same_value(const OwnedValue& a, const OwnedValue& b);
struct NamedOwnedValue {
  std::string name;
  OwnedValue value;
  bool operator==(const NamedOwnedValue&) const = default;
};

enum class Log : uint8_t { kEvents, kAccess };
enum class Axis : uint8_t { kOccurred, kRecorded };
enum class Match : uint8_t { kExact, kExactCi, kPrefix, kContains };
std::optional<Match> match_mode(std::string_view name);  // "exact" "exact_ci" "prefix" "contains"
std::string_view name(Match match);
std::string_view name(Axis axis);  // "occurred" "recorded"

// Entities by an attribute. All past versions count unless `current_only`: then the newest one alone, if not deleted.
struct EntityMatcher {
  std::string type;
  std::string field;  // a field of the type, or "id"
  std::string value;  // numbers in decimal, `exact` only
  Match match = Match::kExact;
  bool current_only = false;
  bool operator==(const EntityMatcher&) const = default;
};

struct Conditions {
  // An entity is "type:id", or a plain id or name ("alice") if only one entity bears it.
  std::vector<std::string> actors;
  std::optional<EntityMatcher> actor_match;
  std::vector<std::string> targets;
  std::vector<EntityMatcher> target_matches;
  std::vector<std::string> actions;
  std::vector<std::string> action_classes;  // words of codec::name(ActionClass)
  std::vector<std::string> outcomes;        // words of codec::name(Outcome), or "not_success"
  std::vector<std::string> sources;
  std::string url_prefix;
  std::vector<NamedOwnedValue> custom;  // every one must be equal
  std::string text;                     // substring of `content`, as the bytes were given
  bool empty() const;
  bool operator==(const Conditions&) const = default;
};

struct Filter {
  Log log = Log::kEvents;
  std::optional<TimeUs> from, to;  // [from, to)
  Axis axis = Axis::kOccurred;
  Conditions where;
  Conditions where_not;                      // each value by itself excludes: `targets` too
  std::optional<OfficeHours> outside_hours;  // only rows outside these, on the filter's axis
  bool operator==(const Filter&) const = default;
};

enum class OrderBy : uint8_t { kSeq, kTime };  // kTime: occurred_at, ties by seq
struct Order {
  OrderBy by = OrderBy::kSeq;
  bool descending = true;
  bool operator==(const Order&) const = default;
};

// Deterministic CBOR of filter and order: equal bytes, equal question. What cursors carry and digest.
void encode_filter(Buffer& to, const Filter& filter, const Order& order);
struct DecodedFilter {
  Filter filter;
  Order order;
};
Result<DecodedFilter> decode_filter(Bytes bytes);

}  // namespace khipu::query
