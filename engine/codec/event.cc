// Events: the write path and the scan path, so plain memory in, views out. Keys: engine/FORMAT.md "Events".
#include "engine/codec/record_raw.h"

namespace khipu::codec {

using raw::Scan;

// A pin of an entity that is still in its first version is one number.
static constexpr size_t kPinSizeMax = 1 + 2 * raw::kHeadSizeMax;

static uint8_t* put_pin(uint8_t* at, const Pin& pin) {
  if (pin.entity == pin.version) return raw::put_unsigned(at, pin.entity.value);
  KHIPU_ASSERT(pin.entity < pin.version);
  at = raw::put_head(at, raw::kArray, 2);
  at = raw::put_unsigned(at, pin.entity.value);
  return raw::put_unsigned(at, pin.version.value);
}

KHIPU_HOT static Pin read_pin(Scan& in) {
  if (in.major() != raw::kArray) {
    const Row row{in.unsigned_integer()};
    return {row, row};
  }
  const size_t from = in.offset();
  const uint64_t count = in.array();
  const Row entity{in.unsigned_integer()};
  const Row version{in.unsigned_integer()};
  if (count != 2 || version <= entity) in.fail_at(from, "a pin that is not [entity, later version]");
  return {entity, version};
}

static uint8_t* put_optional_text(uint8_t* at, uint8_t key, std::string_view text) {
  if (text.empty()) return at;
  *at++ = key;
  return raw::put_text(at, text);
}

static uint8_t* put_event(uint8_t* at, const EventRecord& event, bool has_content) {
  const uint64_t members = 6 + (event.action_class != ActionClass::kOther) + (event.outcome != Outcome::kUnknown) +
                           !event.targets.empty() + !event.url.empty() + !event.source.empty() +
                           !event.source_ip.empty() + !event.event_id.empty() + !event.session.empty() +
                           event.on_behalf_of.has_value() + has_content + !event.custom.empty() +
                           event.idempotency.has_value() + (event.sealed.members != 0);
  at = raw::put_row_prefix(at, members, RecordKind::kEvent, event.uid, event.recorded_at);
  *at++ = 3;
  at = raw::put_integer(at, event.occurred_at);
  *at++ = 4;
  at = put_pin(at, event.actor);
  *at++ = 5;
  at = raw::put_text(at, event.action);
  if (event.action_class != ActionClass::kOther) {
    *at++ = 6;
    *at++ = static_cast<uint8_t>(event.action_class);
  }
  if (event.outcome != Outcome::kUnknown) {
    *at++ = 7;
    *at++ = static_cast<uint8_t>(event.outcome);
  }
  if (!event.targets.empty()) {
    *at++ = 8;
    at = raw::put_head(at, raw::kArray, event.targets.size());
    for (const Pin& target : event.targets) at = put_pin(at, target);
  }
  at = put_optional_text(at, 9, event.url);
  at = put_optional_text(at, 10, event.source);
  at = put_optional_text(at, 11, event.source_ip);
  at = put_optional_text(at, 12, event.event_id);
  at = put_optional_text(at, 13, event.session);
  if (event.on_behalf_of) {
    *at++ = 14;
    at = put_pin(at, *event.on_behalf_of);
  }
  if (has_content) {
    *at++ = event.content_kind == ContentKind::kText ? 15 : 16;
    at = raw::put_bytes(at, event.content);
  }
  if (!event.custom.empty()) {
    *at++ = 17;
    at = raw::put_head(at, raw::kMap, event.custom.size());
    uint32_t last = 0;
    for (const ColumnValue& column : event.custom) {
      KHIPU_ASSERT(column.column > last);
      last = column.column;
      at = raw::put_unsigned(at, column.column);
      at = raw::put_value(at, column.value);
    }
  }
  if (event.idempotency) {
    KHIPU_ASSERT(event.idempotency->count > 0);
    *at++ = 18;
    at = raw::put_head(at, raw::kArray, 3);
    at = raw::put_bytes(at, event.idempotency->key);
    at = raw::put_bytes(at, event.idempotency->body);
    at = raw::put_unsigned(at, event.idempotency->count);
  }
  if (event.sealed.members != 0) {
    *at++ = 19;
    at = raw::put_head(at, raw::kArray, 2);
    at = raw::put_unsigned(at, event.sealed.members);
    at = raw::put_bytes(at, event.sealed.value);
  }
  return at;
}

// Something is in it, and content is text or JSON.
static bool fits(const SealedContent& sealed) {
  const uint8_t both = SealedContent::kText | SealedContent::kJson;
  return sealed.members >= SealedContent::kSourceIp && sealed.members < 7 && (sealed.members & both) != both &&
         !sealed.value.empty();
}

void encode_event(Buffer& to, const EventRecord& event) {
  KHIPU_ASSERT(!event.action.empty());
  const bool has_content = event.content_kind != ContentKind::kNone && !event.content.empty();
  KHIPU_ASSERT(event.sealed.members == 0 || (fits(event.sealed) && !has_content && event.source_ip.empty()));
  // Prefix, 18 keys with a head each, two pins, the mark's strings; then what varies.
  size_t size_max = raw::kRowPrefixSizeMax + 18 * (1 + raw::kHeadSizeMax) + (2 + event.targets.size()) * kPinSizeMax +
                    2 * 17 + event.action.size() + event.url.size() + event.source.size() + event.source_ip.size() +
                    event.event_id.size() + event.session.size() + (has_content ? event.content.size() : 0) +
                    event.sealed.value.size();
  for (const ColumnValue& column : event.custom) size_max += raw::kHeadSizeMax + raw::value_size_max(column.value);
  raw::append_with(to, size_max, [&](uint8_t* at) { return put_event(at, event, has_content); });
}

// An enumerator other than the one that is left out, up to `max`.
template <typename Enum>
KHIPU_HOT static Enum read_enum(Scan& in, Enum max) {
  const size_t from = in.offset();
  const uint64_t value = in.unsigned_integer();
  if (value == 0 || value > static_cast<uint64_t>(max)) in.fail_at(from, "unknown enumerator");
  return static_cast<Enum>(value);
}

KHIPU_HOT static void read_targets(Scan& in, std::vector<Pin>& targets) {
  const size_t from = in.offset();
  uint64_t count = in.array();
  if (count == 0) in.fail_at(from, "empty list of targets");
  for (; count > 0 && in.ok(); --count) targets.push_back(read_pin(in));
}

// An event never changes and stands for itself.
static bool is_of_event(const Value& value) {
  const Result<ProtectedValue> decoded = decode_protected(as_bytes(value.text));
  return decoded.ok() && !decoded->fingerprint && !decoded->origin;
}

// Takes and gives back its own Scan: see KHIPU_HOT.
static Scan read_custom(Scan in, std::vector<ColumnValue>& custom) {
  const size_t from = in.offset();
  uint64_t count = in.map();
  if (count == 0) in.fail_at(from, "empty map of columns");
  uint64_t last = 0;
  for (; count > 0 && in.ok(); --count) {
    const size_t key_from = in.offset();
    const uint64_t column = in.unsigned_integer();
    if (column <= last || column > UINT32_MAX)
      in.fail_at(key_from, "column ids repeated, out of order or out of range");
    last = column;
    const size_t value_from = in.offset();
    const Value value = raw::read_value(in);
    if (value.is_protected() && !is_of_event(value)) {
      in.fail_at(value_from, "a protected column with what only a version has");
    }
    custom.push_back({static_cast<uint32_t>(column), value});
  }
  return in;
}

KHIPU_HOT static IdempotencyMark read_mark(Scan& in) {
  const size_t from = in.offset();
  IdempotencyMark mark;
  const uint64_t members = in.array();
  in.fixed(mark.key);
  in.fixed(mark.body);
  mark.count = in.unsigned_integer();
  if (members != 3 || mark.count == 0) in.fail_at(from, "malformed idempotency mark");
  return mark;
}

KHIPU_HOT static Bytes read_content(Scan& in) {
  const size_t from = in.offset();
  const Bytes content = in.bytes();
  if (content.empty()) in.fail_at(from, "empty content");
  return content;
}

static Scan read_sealed(Scan in, EventRecord& event) {
  const size_t from = in.offset();
  const uint64_t count = in.array();
  const uint64_t members = in.unsigned_integer();
  event.sealed.value = in.bytes();
  event.sealed.members = members < 7 ? static_cast<uint8_t>(members) : 0;
  const bool alone = event.content_kind == ContentKind::kNone && event.source_ip.empty();
  if (count != 2 || !fits(event.sealed) || !alone) in.fail_at(from, "malformed sealed content");
  return in;
}

KHIPU_HOT static std::string_view optional_text(Scan& in, uint8_t key) {
  return in.take_key(key) ? in.filled_text() : std::string_view();
}

Result<void> decode_event(Bytes payload, EventRecord& event) {
  Scan in(payload);
  raw::read_row_prefix(in, RecordKind::kEvent, event.uid, event.recorded_at);
  in.need_key(3, "expected key 3, the time of the event");
  event.occurred_at = in.integer();
  in.need_key(4, "expected key 4, the actor");
  event.actor = read_pin(in);
  in.need_key(5, "expected key 5, the action");
  event.action = in.filled_text();
  event.action_class = in.take_key(6) ? read_enum(in, ActionClass::kLogControl) : ActionClass::kOther;
  event.outcome = in.take_key(7) ? read_enum(in, Outcome::kDenied) : Outcome::kUnknown;
  event.targets.clear();
  if (in.take_key(8)) read_targets(in, event.targets);
  event.url = optional_text(in, 9);
  event.source = optional_text(in, 10);
  event.source_ip = optional_text(in, 11);
  event.event_id = optional_text(in, 12);
  event.session = optional_text(in, 13);
  event.on_behalf_of.reset();
  if (in.take_key(14)) event.on_behalf_of = read_pin(in);
  event.content_kind = ContentKind::kNone;
  event.content = {};
  if (in.take_key(15)) {
    event.content_kind = ContentKind::kText;
    event.content = read_content(in);
  } else if (in.take_key(16)) {
    event.content_kind = ContentKind::kJson;
    event.content = read_content(in);
  }
  event.custom.clear();
  if (in.take_key(17)) in = read_custom(in, event.custom);
  event.idempotency.reset();
  if (in.take_key(18)) event.idempotency = read_mark(in);
  event.sealed = {};
  if (in.take_key(19)) in = read_sealed(in, event);
  in.close_map();
  return in.finish("event");
}

}  // namespace khipu::codec
