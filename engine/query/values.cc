// Values and versions as a query compares and names them.
#include <charconv>
#include <cmath>

#include "engine/codec/protected.h"
#include "engine/protect/value.h"
#include "engine/query/canonical_json.h"
#include "engine/query/entities.h"
#include "engine/query/near.h"

namespace khipu::query {
namespace {

bool is_number(const codec::Value& value) { return value.schema_kind() == codec::ValueKind::kNumber; }

uint64_t sealed_size_class(Bytes value) {
  const auto sealed = protect::parse_sealed(value);
  return sealed.ok() ? sealed->size_class() : 0;
}

constexpr double kTwo63 = 9223372036854775808.0;

// The integer that a double is, if it is one that a record can hold.
std::optional<codec::Value> as_integer(double real) {
  if (std::trunc(real) != real || real < -kTwo63 || real >= 2 * kTwo63) return std::nullopt;
  if (real < kTwo63) return codec::Value::of_integer(static_cast<int64_t>(real));
  return codec::Value::of_unsigned(static_cast<uint64_t>(real));
}

bool equal_integers(const codec::Value& left, const codec::Value& right) {
  return left.kind == right.kind && left.integer == right.integer && left.unsigned_integer == right.unsigned_integer;
}
bool equal_real(const codec::Value& integer, double real) {
  const auto value = as_integer(real);
  return value && equal_integers(integer, *value);
}

}  // namespace

bool equal_values(const codec::Value& left, const codec::Value& right) {
  using Kind = codec::Value::Kind;
  if (!is_number(left) || !is_number(right)) {
    if (left.kind != right.kind || left.text == right.text) return left.kind == right.kind;
    return left.kind == Kind::kJson && canonical_json(left.text) == canonical_json(right.text);
  }
  if (left.kind == Kind::kReal && right.kind == Kind::kReal) return left.real == right.real;
  if (left.kind == Kind::kReal) return equal_real(right, left.real);
  if (right.kind == Kind::kReal) return equal_real(left, right.real);
  return equal_integers(left, right);
}

std::string comparable_text(const codec::Value& value) {
  if (value.kind == codec::Value::Kind::kJson) return canonical_json(value.text);
  if (value.kind != codec::Value::Kind::kReal) return OwnedValue(value).as_text();
  return OwnedValue(as_integer(value.real).value_or(value)).as_text();
}

Withheld withheld(const OwnedValue& value) {
  Withheld told;
  if (value.kind != codec::Value::Kind::kProtected) return told;
  const auto decoded = codec::decode_protected(as_bytes(value.text));
  if (!decoded.ok()) return told;
  told.protection = decoded->kind;
  if (decoded->kind == codec::Protection::kSealed) told.size_class = sealed_size_class(decoded->value);
  return told;
}

bool same_value(const OwnedValue& a, const OwnedValue& b) {
  if (a.kind != codec::Value::Kind::kProtected || b.kind != a.kind) return a == b;
  const auto left = codec::decode_protected(as_bytes(a.text)), right = codec::decode_protected(as_bytes(b.text));
  return left.ok() && right.ok() && left->fingerprint && left->fingerprint == right->fingerprint;
}

std::optional<codec::Value> number_from_text(std::string_view text) {
  const char* end = text.data() + text.size();
  int64_t integer = 0;
  if (const auto read = std::from_chars(text.data(), end, integer); read.ec == std::errc() && read.ptr == end) {
    return codec::Value::of_integer(integer);
  }
  uint64_t large = 0;
  if (const auto read = std::from_chars(text.data(), end, large); read.ec == std::errc() && read.ptr == end) {
    return codec::Value::of_unsigned(large);
  }
  double real = 0;
  const auto read = std::from_chars(text.data(), end, real);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(real)) return std::nullopt;
  return codec::Value::of_real(real);
}

std::vector<std::string> type_names(const registry::Schema& schema, const ScopeView* scope) {
  std::vector<std::string> names;
  for (const codec::TypeSchema& type : schema.types()) {
    if (scope == nullptr || scope->names_type(type.name)) names.push_back(type.name);
  }
  return names;
}

bool knows_type(const registry::Schema& schema, const ScopeView* scope, std::string_view type) {
  return schema.type(type) != nullptr && (scope == nullptr || scope->names_type(type));
}

QueryError unknown_type(std::vector<std::string> known, std::string_view type, std::string_view argument) {
  QueryError error("UNKNOWN_TYPE", std::string(argument), type, "The log knows no entity type of that name.");
  error.allowed = std::move(known);
  error.did_you_mean = nearest(type, error.allowed);
  return error;
}

}  // namespace khipu::query
