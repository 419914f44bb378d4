// What of an event a Matcher looks at when a part of it is hidden from whoever asks (masking.h).
#include <algorithm>

#include "engine/base/fold.h"
#include "engine/query/matcher.h"

namespace khipu::query {

void Matcher::mask(const Masking* masking, const snapshot::Snapshot& snapshot) {
  masking_ = masking;
  snapshot_ = &snapshot;
  if (masking == nullptr) return;
  for (const codec::ColumnSchema& column : snapshot.schema().columns()) {
    if (masking->hides_field(column.name)) hidden_columns_.push_back(column.id);
  }
  for (const codec::TypeSchema& type : snapshot.schema().types()) {
    hides_attributes_ |= std::any_of(type.fields.begin(), type.fields.end(), [&](const codec::FieldSchema& field) {
      return field.rule.none() && masking->hides_field(field.name);
    });
  }
}

bool Matcher::hides_column(uint32_t id) const {
  return std::binary_search(hidden_columns_.begin(), hidden_columns_.end(), id);
}

bool Matcher::hide_columns(Compiled& c) const {
  bool any = false;
  for (Column& column : c.custom) {
    if (masking_ == nullptr || column.probe) continue;
    column.hidden = hides_column(column.id) || !masking_->hidden(column.value.text, {}).empty();
    column.may_hide = !column.value.text.empty() && (!hidden_columns_.empty() || hides_attributes_);
    any |= column.hidden || column.may_hide;
  }
  return any;
}

std::vector<std::string> Matcher::hidden_values(const codec::EventRecord& event) const {
  std::vector<std::string> values;
  for (const codec::ColumnValue& value : event.custom) {
    if (value.value.kind == codec::Value::Kind::kText && hides_column(value.column)) {
      values.emplace_back(value.value.text);
    }
  }
  if (!hides_attributes_) return values;
  const auto look = [&](const codec::Pin& pin) {
    const auto record = snapshot_->record(TableId::kRegistry, pin.version);
    codec::VersionRecord version;
    // One that cannot be read is not shown either.
    if (!record.ok() || !record->intact || !codec::decode_version(record->payload, version).ok()) return;
    append_hidden_values(*masking_, version, values);
  };
  look(event.actor);
  for (const codec::Pin& target : event.targets) look(target);
  if (event.on_behalf_of) look(*event.on_behalf_of);
  return values;
}

bool Matcher::shows(const codec::EventRecord& event, std::string_view value) const {
  return masking_ == nullptr || masking_->hidden(value, hidden_values(event)).empty();
}

std::string Matcher::shown(const codec::EventRecord& event, std::string_view text, bool is_url) const {
  if (masking_ == nullptr) return std::string(text);
  const std::vector<std::string> values = hidden_values(event);
  std::string shown;
  size_t from = 0;
  for (const Stretch& one : is_url ? masking_->hidden_of_url(text, values) : masking_->hidden(text, values)) {
    shown += text.substr(from, one.begin - from);
    shown += "[masked]";
    from = one.end;
  }
  return shown += text.substr(from);
}

bool Matcher::has_text(const codec::EventRecord& event, const std::string& folded) const {
  const std::string_view content = as_text(event.content);
  if (!contains_folded(content, folded)) return false;
  if (masking_ == nullptr) return true;
  return shown_matches(content, folded, folded, Match::kContains, masking_->hidden(content, hidden_values(event)));
}

bool Matcher::has_url(const codec::EventRecord& event, const std::string& prefix) const {
  if (!event.url.starts_with(prefix)) return false;
  if (masking_ == nullptr) return true;
  const std::vector<Stretch> hidden = masking_->hidden_of_url(event.url, hidden_values(event));
  return hidden.empty() || prefix.size() <= hidden.front().begin;
}

}  // namespace khipu::query
