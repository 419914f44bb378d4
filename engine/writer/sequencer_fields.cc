// Fields of entities: what an event's fields make of the current version's, protected ones among them.
#include <fmt/format.h>

#include <algorithm>

#include "engine/codec/cbor.h"
#include "engine/codec/protected.h"
#include "engine/protect/value.h"
#include "engine/writer/sequencer.h"

namespace khipu::writer {
namespace {

// A field whose plaintext nobody here can read: the fingerprints tell. A value whose key was destroyed nobody can read
// at all: the same again is a change.
bool unchanged(const codec::Value& was, const codec::Value& is, const protect::KeyLog& keys) {
  if (!was.is_protected() || !is.is_protected()) return false;
  const auto before = codec::decode_protected(as_bytes(was.text)), now = codec::decode_protected(as_bytes(is.text));
  if (!before.ok() || !now.ok() || before->kind != now->kind || before->fingerprint != now->fingerprint) return false;
  if (before->kind != codec::Protection::kSealed) return true;
  const auto sealed = protect::parse_sealed(before->value);
  if (!sealed.ok()) return false;
  const protect::KeyLog::File* const key = keys.current(sealed->key_number);
  return key == nullptr || key->state != protect::KeyLog::State::kShredded;
}

}  // namespace

Error in_the_clear(const std::string& where) {
  return {Code::kConflict, where +
                               ": its rule changed while the batch was on its way, or the batch was not prepared; "
                               "nothing was written: send it again"};
}

// The entity's fields after this event, in fields_ (views into `state` and the input) and encoded_fields_.
Result<void> Sequencer::merge_fields(const ingest::EntityInput& input, const registry::EntityState* state) {
  fields_.clear();
  if (state) {
    codec::CborReader reader(as_bytes(state->fields));
    KHIPU_TRY_ASSIGN(const uint64_t count, reader.map());
    for (uint64_t i = 0; i < count; ++i) {
      KHIPU_TRY_ASSIGN(const std::string_view name, reader.text());
      if (reader.peek() == codec::CborKind::kMap) {
        KHIPU_TRY_ASSIGN(const Bytes encoded, reader.skip());
        fields_.push_back({name, codec::Value::of_protected(encoded)});
        continue;
      }
      KHIPU_TRY_ASSIGN(const codec::CborItem item, reader.next());
      codec::Value value;
      switch (item.kind) {
        case codec::CborKind::kText: value = codec::Value::of_text(as_text(item.bytes)); break;
        case codec::CborKind::kBytes: value = codec::Value::of_json(as_text(item.bytes)); break;
        case codec::CborKind::kUnsigned: value = codec::Value::of_unsigned(item.value); break;
        case codec::CborKind::kNegative: value = codec::Value::of_integer(-1 - static_cast<int64_t>(item.value)); break;
        case codec::CborKind::kFloat: value = codec::Value::of_real(item.real); break;
        default: return reader.fail("a field of a kind that fields do not have");
      }
      fields_.push_back({name, value});
    }
  }
  for (const ingest::FieldInput& given : input.fields) {
    const auto same = std::find_if(fields_.begin(), fields_.end(),
                                   [&](const codec::NamedValue& field) { return field.name == given.name; });
    if (same == fields_.end()) {
      if (!given.remove) fields_.push_back({given.name, given.value});
    } else if (given.remove) {
      fields_.erase(same);
    } else if (!unchanged(same->value, given.value, key_log_)) {
      same->value = given.value;
    }
  }
  std::sort(fields_.begin(), fields_.end(), [](const codec::NamedValue& a, const codec::NamedValue& b) {
    return codec::field_name_less(a.name, b.name);
  });
  encoded_fields_.clear();
  codec::append_fields(encoded_fields_, fields_);
  return {};
}

// The fields of fields_ as state, for the version of this row: a value that was sealed for it says so from here on,
// because the versions that follow repeat it.
void Sequencer::encode_state(Row row) {
  state_fields_.clear();
  const auto fresh = [](const codec::NamedValue& field) { return field.value.is_protected(); };
  if (std::none_of(fields_.begin(), fields_.end(), fresh)) return codec::append_fields(state_fields_, fields_);
  protected_.clear();
  std::vector<std::pair<size_t, size_t>> spans(fields_.size());
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (!fields_[i].value.is_protected()) continue;
    codec::ProtectedValue value = *codec::decode_protected(as_bytes(fields_[i].value.text));
    if (!value.origin) value.origin = row;
    spans[i].first = protected_.size();
    codec::append_protected(protected_, value);
    spans[i].second = protected_.size() - spans[i].first;
  }
  std::vector<codec::NamedValue> fields = fields_;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (spans[i].second == 0) continue;
    fields[i].value = codec::Value::of_protected(Bytes(protected_).subspan(spans[i].first, spans[i].second));
  }
  codec::append_fields(state_fields_, fields);
}

Result<void> Sequencer::check_protected(const ingest::EntityInput& input) const {
  for (const ingest::FieldInput& given : input.fields) {
    if (given.remove) continue;
    const codec::FieldSchema* field = schema_->field(input.type, given.name);
    if (field == nullptr || field->rule.none() == given.value.is_protected()) {
      return in_the_clear(fmt::format("{}.{}", input.type, given.name));
    }
  }
  return {};
}

Result<void> Sequencer::check_required(const ingest::EntityInput& input) const {
  const codec::TypeSchema* type = schema_->type(input.type);
  if (!type) return Error{Code::kInvalid, fmt::format("{}: no such entity type", input.type)};
  for (const codec::FieldSchema& field : type->fields) {
    if (!field.required) continue;
    const bool present = std::any_of(fields_.begin(), fields_.end(),
                                     [&](const codec::NamedValue& value) { return value.name == field.name; });
    if (!present) {
      return Error{Code::kInvalid, fmt::format("fields.{}: type {} requires it", field.name, input.type)};
    }
  }
  return {};
}

}  // namespace khipu::writer
