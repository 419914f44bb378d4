#include "engine/query/filter.h"

#include <cinttypes>
#include <cstdio>

#include "engine/codec/cbor.h"

namespace khipu::query {
namespace {

using codec::CborKind;
using codec::CborReader;
using codec::CborWriter;

// question   = [ 2, log, from int / null, to int / null, axis, conditions, conditions, hours / null, order by,
//                descending bool ]
// hours      = [ from_minute, to_minute, days, tz ]
// conditions = [ actors, matcher / null, targets, [* matcher], actions, action_classes, outcomes, sources, url_prefix,
//                [* [ name, kind, text, integer, unsigned, real ]], text bstr ]
// matcher    = [ type, field, value bstr, match, current_only ]
// Texts that a caller typed are byte strings: they need not be UTF-8.
constexpr uint64_t kVersion = 2;
constexpr uint64_t kListMax = 10000;

void put_texts(CborWriter& out, const std::vector<std::string>& texts) {
  out.array(texts.size());
  for (const std::string& text : texts) out.bytes(as_bytes(text));
}

void put_matcher(CborWriter& out, const EntityMatcher& matcher) {
  out.array(5);
  out.bytes(as_bytes(matcher.type));
  out.bytes(as_bytes(matcher.field));
  out.bytes(as_bytes(matcher.value));
  out.unsigned_integer(static_cast<uint64_t>(matcher.match));
  out.boolean(matcher.current_only);
}

void put_conditions(CborWriter& out, const Conditions& c) {
  out.array(11);
  put_texts(out, c.actors);
  if (c.actor_match) put_matcher(out, *c.actor_match);
  if (!c.actor_match) out.null();
  put_texts(out, c.targets);
  out.array(c.target_matches.size());
  for (const EntityMatcher& matcher : c.target_matches) put_matcher(out, matcher);
  put_texts(out, c.actions);
  put_texts(out, c.action_classes);
  put_texts(out, c.outcomes);
  put_texts(out, c.sources);
  out.bytes(as_bytes(c.url_prefix));
  out.array(c.custom.size());
  for (const NamedOwnedValue& column : c.custom) {
    out.array(6);
    out.bytes(as_bytes(column.name));
    out.unsigned_integer(static_cast<uint64_t>(column.value.kind));
    out.bytes(as_bytes(column.value.text));
    out.integer(column.value.integer);
    out.unsigned_integer(column.value.unsigned_integer);
    out.real(column.value.real);
  }
  out.bytes(as_bytes(c.text));
}

void put_hours(CborWriter& out, const OfficeHours& hours) {
  out.array(4);
  for (const uint64_t number : {uint64_t{hours.from_minute}, uint64_t{hours.to_minute}, uint64_t{hours.days}}) {
    out.unsigned_integer(number);
  }
  out.bytes(as_bytes(hours.tz));
}

// Opens an array that must hold exactly `count` items.
Result<void> open(CborReader& in, uint64_t count) {
  KHIPU_TRY_ASSIGN(const uint64_t found, in.array());
  if (found != count) return in.fail("array of the wrong length");
  return {};
}

Result<std::string> take_text(CborReader& in) {
  KHIPU_TRY_ASSIGN(const Bytes bytes, in.bytes());
  return std::string(as_text(bytes));
}

Result<uint64_t> take_enum(CborReader& in, uint64_t last) {
  KHIPU_TRY_ASSIGN(const uint64_t value, in.unsigned_integer());
  if (value > last) return in.fail("unknown word");
  return value;
}

Result<uint64_t> take_count(CborReader& in) {
  KHIPU_TRY_ASSIGN(const uint64_t count, in.array());
  if (count > kListMax) return in.fail("list too long");
  return count;
}

Result<std::vector<std::string>> take_texts(CborReader& in) {
  KHIPU_TRY_ASSIGN(const uint64_t count, take_count(in));
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < count; ++i) {
    KHIPU_TRY_ASSIGN(std::string text, take_text(in));
    texts.push_back(std::move(text));
  }
  return texts;
}

Result<EntityMatcher> take_matcher(CborReader& in) {
  KHIPU_TRY(open(in, 5));
  EntityMatcher matcher;
  KHIPU_TRY_ASSIGN(matcher.type, take_text(in));
  KHIPU_TRY_ASSIGN(matcher.field, take_text(in));
  KHIPU_TRY_ASSIGN(matcher.value, take_text(in));
  KHIPU_TRY_ASSIGN(const uint64_t match, take_enum(in, 3));
  matcher.match = static_cast<Match>(match);
  KHIPU_TRY_ASSIGN(matcher.current_only, in.boolean());
  return matcher;
}

Result<NamedOwnedValue> take_column(CborReader& in) {
  KHIPU_TRY(open(in, 6));
  NamedOwnedValue column;
  KHIPU_TRY_ASSIGN(column.name, take_text(in));
  KHIPU_TRY_ASSIGN(const uint64_t kind, take_enum(in, 4));
  column.value.kind = static_cast<codec::Value::Kind>(kind);
  KHIPU_TRY_ASSIGN(column.value.text, take_text(in));
  KHIPU_TRY_ASSIGN(column.value.integer, in.integer());
  KHIPU_TRY_ASSIGN(column.value.unsigned_integer, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(column.value.real, in.real());
  return column;
}

Result<Conditions> take_conditions(CborReader& in) {
  KHIPU_TRY(open(in, 11));
  Conditions c;
  KHIPU_TRY_ASSIGN(c.actors, take_texts(in));
  if (in.peek() == CborKind::kNull) {
    KHIPU_TRY(in.skip());
  } else {
    KHIPU_TRY_ASSIGN(c.actor_match, take_matcher(in));
  }
  KHIPU_TRY_ASSIGN(c.targets, take_texts(in));
  KHIPU_TRY_ASSIGN(const uint64_t matchers, take_count(in));
  for (uint64_t i = 0; i < matchers; ++i) {
    KHIPU_TRY_ASSIGN(EntityMatcher matcher, take_matcher(in));
    c.target_matches.push_back(std::move(matcher));
  }
  KHIPU_TRY_ASSIGN(c.actions, take_texts(in));
  KHIPU_TRY_ASSIGN(c.action_classes, take_texts(in));
  KHIPU_TRY_ASSIGN(c.outcomes, take_texts(in));
  KHIPU_TRY_ASSIGN(c.sources, take_texts(in));
  KHIPU_TRY_ASSIGN(c.url_prefix, take_text(in));
  KHIPU_TRY_ASSIGN(const uint64_t columns, take_count(in));
  for (uint64_t i = 0; i < columns; ++i) {
    KHIPU_TRY_ASSIGN(NamedOwnedValue column, take_column(in));
    c.custom.push_back(std::move(column));
  }
  KHIPU_TRY_ASSIGN(c.text, take_text(in));
  return c;
}

Result<OfficeHours> take_hours(CborReader& in) {
  KHIPU_TRY(open(in, 4));
  OfficeHours hours;
  KHIPU_TRY_ASSIGN(const uint64_t from, take_enum(in, 24 * 60 - 1));
  KHIPU_TRY_ASSIGN(const uint64_t to, take_enum(in, 24 * 60 - 1));
  KHIPU_TRY_ASSIGN(const uint64_t days, take_enum(in, 0x7F));
  KHIPU_TRY_ASSIGN(hours.tz, take_text(in));
  hours.from_minute = static_cast<uint16_t>(from);
  hours.to_minute = static_cast<uint16_t>(to);
  hours.days = static_cast<uint8_t>(days);
  return hours;
}

Result<std::optional<TimeUs>> take_time(CborReader& in) {
  if (in.peek() == CborKind::kNull) {
    KHIPU_TRY(in.skip());
    return std::optional<TimeUs>();
  }
  KHIPU_TRY_ASSIGN(const int64_t time, in.integer());
  return std::optional<TimeUs>(time);
}

}  // namespace

OwnedValue::OwnedValue(const codec::Value& value)
    : kind(value.kind),
      text(value.text),
      integer(value.integer),
      unsigned_integer(value.unsigned_integer),
      real(value.real) {}

std::string OwnedValue::as_text() const {
  switch (kind) {
    case codec::Value::Kind::kInteger: return std::to_string(integer);
    case codec::Value::Kind::kUnsigned: return std::to_string(unsigned_integer);
    case codec::Value::Kind::kReal: {
      // The shortest of the decimal forms that read back as the same number.
      char buffer[40];
      for (int digits = 15; digits <= 17; ++digits) {
        std::snprintf(buffer, sizeof buffer, "%.*g", digits, real);
        double back = 0;
        if (std::sscanf(buffer, "%lf", &back) == 1 && back == real) break;
      }
      return buffer;
    }
    case codec::Value::Kind::kProtected: {
      const Withheld told = withheld(*this);
      std::string words = "(" + std::string(codec::name(told.protection));
      if (told.size_class > 0) words += ", up to " + std::to_string(told.size_class) + " bytes";
      return words + ")";
    }
    case codec::Value::Kind::kText:
    case codec::Value::Kind::kJson: break;
  }
  return text;
}

std::optional<Match> match_mode(std::string_view word) {
  for (const Match match : {Match::kExact, Match::kExactCi, Match::kPrefix, Match::kContains}) {
    if (word == name(match)) return match;
  }
  return std::nullopt;
}

std::string_view name(Match match) {
  switch (match) {
    case Match::kExact: return "exact";
    case Match::kExactCi: return "exact_ci";
    case Match::kPrefix: return "prefix";
    case Match::kContains: return "contains";
  }
  return "exact";
}

std::string_view name(Axis axis) { return axis == Axis::kOccurred ? "occurred" : "recorded"; }

bool Conditions::empty() const { return *this == Conditions{}; }

void encode_filter(Buffer& to, const Filter& filter, const Order& order) {
  CborWriter out(to);
  out.array(10);
  out.unsigned_integer(kVersion);
  out.unsigned_integer(static_cast<uint64_t>(filter.log));
  for (const std::optional<TimeUs>& time : {filter.from, filter.to}) {
    if (time) out.integer(*time);
    if (!time) out.null();
  }
  out.unsigned_integer(static_cast<uint64_t>(filter.axis));
  put_conditions(out, filter.where);
  put_conditions(out, filter.where_not);
  if (filter.outside_hours) put_hours(out, *filter.outside_hours);
  if (!filter.outside_hours) out.null();
  out.unsigned_integer(static_cast<uint64_t>(order.by));
  out.boolean(order.descending);
}

Result<DecodedFilter> decode_filter(Bytes bytes) {
  CborReader in(bytes);
  KHIPU_TRY(open(in, 10));
  KHIPU_TRY_ASSIGN(const uint64_t version, in.unsigned_integer());
  if (version != kVersion) return in.fail("unknown version of a filter");
  DecodedFilter decoded;
  KHIPU_TRY_ASSIGN(const uint64_t log, take_enum(in, 1));
  decoded.filter.log = static_cast<Log>(log);
  KHIPU_TRY_ASSIGN(decoded.filter.from, take_time(in));
  KHIPU_TRY_ASSIGN(decoded.filter.to, take_time(in));
  KHIPU_TRY_ASSIGN(const uint64_t axis, take_enum(in, 1));
  decoded.filter.axis = static_cast<Axis>(axis);
  KHIPU_TRY_ASSIGN(decoded.filter.where, take_conditions(in));
  KHIPU_TRY_ASSIGN(decoded.filter.where_not, take_conditions(in));
  if (in.peek() == CborKind::kNull) {
    KHIPU_TRY(in.skip());
  } else {
    KHIPU_TRY_ASSIGN(decoded.filter.outside_hours, take_hours(in));
  }
  KHIPU_TRY_ASSIGN(const uint64_t by, take_enum(in, 1));
  decoded.order.by = static_cast<OrderBy>(by);
  KHIPU_TRY_ASSIGN(decoded.order.descending, in.boolean());
  KHIPU_TRY(in.expect_end());
  return decoded;
}

}  // namespace khipu::query
