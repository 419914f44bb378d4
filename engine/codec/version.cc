// Versions of entities. Keys: engine/FORMAT.md "Versions".
#include "engine/codec/record_raw.h"

namespace khipu::codec {

using raw::Scan;

bool field_name_less(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

const NamedValue* display_field(const VersionRecord& version) {
  const NamedValue* first = nullptr;
  for (const NamedValue& field : version.fields) {
    if (field.name == "name" && field.value.is_protected()) return nullptr;
    if (field.value.kind != Value::Kind::kText) continue;
    if (field.name == "name") return &field;
    if (first == nullptr && !field.value.text.empty()) first = &field;
  }
  return first;
}

std::string_view display_name(const VersionRecord& version) {
  const NamedValue* field = display_field(version);
  return field == nullptr ? std::string_view() : field->value.text;
}

static size_t fields_size_max(const std::vector<NamedValue>& fields) {
  size_t size = raw::kHeadSizeMax;
  for (const NamedValue& field : fields)
    size += raw::kHeadSizeMax + field.name.size() + raw::value_size_max(field.value);
  return size;
}

static uint8_t* put_fields(uint8_t* at, const std::vector<NamedValue>& fields) {
  at = raw::put_head(at, raw::kMap, fields.size());
  const NamedValue* last = nullptr;
  for (const NamedValue& field : fields) {
    KHIPU_ASSERT(!field.name.empty() && (last == nullptr || field_name_less(last->name, field.name)));
    last = &field;
    at = raw::put_text(at, field.name);
    at = raw::put_value(at, field.value);
  }
  return at;
}

void append_fields(Buffer& to, const std::vector<NamedValue>& fields) {
  raw::append_with(to, fields_size_max(fields), [&](uint8_t* at) { return put_fields(at, fields); });
}

// The second version follows the first one directly; a later one follows a later row.
static bool rows_fit(const VersionRecord& version) {
  return version.version == 1 ? *version.previous == *version.entity : *version.previous > *version.entity;
}

static uint8_t* put_version(uint8_t* at, const VersionRecord& version) {
  const uint64_t members =
      6 + (version.version > 0 ? 3 : 0) + version.deleted + !version.fields.empty() + version.seq.has_value();
  at = raw::put_row_prefix(at, members, RecordKind::kVersion, version.uid, version.recorded_at);
  *at++ = 3;
  at = raw::put_integer(at, version.time);
  *at++ = 4;
  at = raw::put_text(at, version.type);
  *at++ = 5;
  at = raw::put_text(at, version.id);
  if (version.version > 0) {
    *at++ = 6;
    at = raw::put_unsigned(at, version.entity->value);
    *at++ = 7;
    at = raw::put_unsigned(at, version.version);
    *at++ = 8;
    at = raw::put_unsigned(at, version.previous->value);
  }
  if (version.deleted) {
    *at++ = 9;
    *at++ = 0xf5;
  }
  if (!version.fields.empty()) {
    *at++ = 10;
    at = put_fields(at, version.fields);
  }
  if (version.seq) {
    *at++ = 11;
    at = raw::put_unsigned(at, version.seq->value);
  }
  return at;
}

void encode_version(Buffer& to, const VersionRecord& version) {
  KHIPU_ASSERT(!version.type.empty() && !version.id.empty());
  KHIPU_ASSERT(version.entity.has_value() == (version.version > 0));
  KHIPU_ASSERT(version.previous.has_value() == (version.version > 0));
  KHIPU_ASSERT(version.version == 0 || rows_fit(version));
  const size_t size_max = raw::kRowPrefixSizeMax + 9 * (1 + raw::kHeadSizeMax) + version.type.size() +
                          version.id.size() + fields_size_max(version.fields);
  raw::append_with(to, size_max, [&](uint8_t* at) { return put_version(at, version); });
}

static void read_fields(Scan& in, std::vector<NamedValue>& fields) {
  const size_t from = in.offset();
  uint64_t count = in.map();
  if (count == 0) in.fail_at(from, "empty map of fields");
  for (; count > 0 && in.ok(); --count) {
    const size_t key_from = in.offset();
    const std::string_view name = in.filled_text();
    if (!fields.empty() && !field_name_less(fields.back().name, name)) {
      in.fail_at(key_from, "field names repeated or out of order");
    }
    const size_t value_from = in.offset();
    fields.push_back({name, raw::read_value(in)});
    if (fields.back().value.is_protected() && !decode_protected(as_bytes(fields.back().value.text))->fingerprint) {
      in.fail_at(value_from, "a protected field without a fingerprint");
    }
  }
}

Result<void> decode_version(Bytes payload, VersionRecord& version) {
  Scan in(payload);
  raw::read_row_prefix(in, RecordKind::kVersion, version.uid, version.recorded_at);
  in.need_key(3, "expected key 3, the time");
  version.time = in.integer();
  in.need_key(4, "expected key 4, the type");
  version.type = in.filled_text();
  in.need_key(5, "expected key 5, the id");
  version.id = in.filled_text();
  version.entity.reset();
  version.version = 0;
  version.previous.reset();
  const size_t from = in.offset();
  if (in.take_key(6)) {
    version.entity = Row{in.unsigned_integer()};
    in.need_key(7, "expected key 7, the version number");
    version.version = in.unsigned_integer();
    in.need_key(8, "expected key 8, the row of the version before");
    version.previous = Row{in.unsigned_integer()};
    if (version.version == 0 || !rows_fit(version)) {
      in.fail_at(from, "entity, version number and previous row that do not fit together");
    }
  }
  version.deleted = in.take_key(9);
  if (version.deleted) {
    const size_t value_from = in.offset();
    if (!in.boolean()) in.fail_at(value_from, "expected true");
  }
  version.fields.clear();
  if (in.take_key(10)) read_fields(in, version.fields);
  version.seq.reset();
  if (in.take_key(11)) version.seq = Row{in.unsigned_integer()};
  in.close_map();
  return in.finish("version");
}

}  // namespace khipu::codec
