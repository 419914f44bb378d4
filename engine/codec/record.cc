#include "engine/codec/record.h"

#include "engine/codec/record_raw.h"

namespace khipu::codec {

// The names of an enumeration in the order of its numbers, both ways.
template <typename Enum, size_t N>
static std::string_view name_of(const std::string_view (&names)[N], Enum value) {
  const auto index = static_cast<size_t>(value);
  KHIPU_ASSERT(index < N);
  return names[index];
}
template <typename Enum, size_t N>
static std::optional<Enum> value_of(const std::string_view (&names)[N], std::string_view name) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

static constexpr std::string_view kActionClasses[] = {"other",  "auth",      "read",   "create",     "update",
                                                      "delete", "privilege", "config", "log_control"};
static constexpr std::string_view kOutcomes[] = {"unknown", "success", "failure", "denied"};
static constexpr std::string_view kValueKinds[] = {"text", "number", "json"};
static constexpr std::string_view kProtections[] = {"none", "digest", "sealed"};
static constexpr std::string_view kBlindIndexes[] = {"none", "exact", "prefix", "ngram"};

std::string_view name(ActionClass value) { return name_of(kActionClasses, value); }
std::string_view name(Outcome value) { return name_of(kOutcomes, value); }
std::string_view name(ValueKind kind) { return name_of(kValueKinds, kind); }
std::string_view name(Protection protection) { return name_of(kProtections, protection); }
std::string_view name(BlindIndex index) { return name_of(kBlindIndexes, index); }
std::optional<ActionClass> action_class(std::string_view name) { return value_of<ActionClass>(kActionClasses, name); }
std::optional<Outcome> outcome(std::string_view name) { return value_of<Outcome>(kOutcomes, name); }
std::optional<ValueKind> value_kind(std::string_view name) { return value_of<ValueKind>(kValueKinds, name); }
std::optional<Protection> protection(std::string_view name) { return value_of<Protection>(kProtections, name); }
std::optional<BlindIndex> blind_index(std::string_view name) { return value_of<BlindIndex>(kBlindIndexes, name); }

void append_value(Buffer& to, const Value& value) {
  raw::append_with(to, raw::value_size_max(value), [&](uint8_t* at) { return raw::put_value(at, value); });
}

Result<FrameFacts> frame_facts(Bytes payload) {
  raw::Scan in(payload);
  FrameFacts facts;
  in.open_map();
  in.need_key(0, "expected key 0, the kind");
  const size_t from = in.offset();
  const uint64_t kind = in.unsigned_integer();
  if (in.ok() && !raw::known_kind(kind)) in.fail_at(from, "unknown kind of record", Code::kUnsupported);
  facts.kind = static_cast<uint8_t>(kind);
  Uid uid{};
  if (in.take_key(1)) in.fixed(uid);
  in.need_key(2, "expected key 2, the time of recording");
  facts.time_us = facts.recorded_at = in.integer();
  if (in.take_key(3)) facts.time_us = in.integer();
  if (!in.ok()) return in.error().at("record");
  return facts;
}

namespace raw {

uint8_t* put_value(uint8_t* at, const Value& value) {
  switch (value.kind) {
    case Value::Kind::kText: return put_text(at, value.text);
    case Value::Kind::kJson: return put_bytes(at, as_bytes(value.text));
    case Value::Kind::kInteger: return put_integer(at, value.integer);
    case Value::Kind::kUnsigned: return put_unsigned(at, value.unsigned_integer);
    case Value::Kind::kReal: return put_real(at, value.real);
    case Value::Kind::kProtected: std::memcpy(at, value.text.data(), value.text.size()); return at + value.text.size();
  }
  KHIPU_ASSERT(false);
  return at;
}

Value read_value(Scan& in) {
  switch (in.major()) {
    case kUnsigned: return Value::of_unsigned(in.unsigned_integer());
    case kNegative: return Value::of_integer(in.integer());
    case kBytes: {
      const size_t from = in.offset();
      const Bytes json = in.bytes();
      if (json.empty()) in.fail_at(from, "empty JSON");
      return Value::of_json(as_text(json));
    }
    case kText: return Value::of_text(in.text());
    case kSimple: return Value::of_real(in.real());
    case kMap: {
      const uint8_t* const from = in.at();
      read_protected(in);
      return in.ok() ? Value::of_protected({from, in.at()}) : Value();
    }
    default: in.fail("expected a text, a number, JSON or a protected value"); return {};
  }
}

uint8_t* put_row_prefix(uint8_t* at, uint64_t members, RecordKind kind, const Uid& uid, TimeUs recorded_at) {
  at = put_head(at, kMap, members);
  *at++ = 0;
  at = put_unsigned(at, static_cast<uint64_t>(kind));
  *at++ = 1;
  at = put_bytes(at, uid);
  *at++ = 2;
  return put_integer(at, recorded_at);
}

}  // namespace raw

}  // namespace khipu::codec
