#include "engine/import/canonical_text.h"

#include <array>
#include <charconv>

#include "engine/base/time.h"

namespace khipu::import {
namespace {

void name_of(std::string& to, std::string_view name) {
  if (to.back() != '{') to += ',';
  append_json_string(to, name);
  to += ':';
}
void member(std::string& to, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  name_of(to, name);
  append_json_string(to, value);
}

void value(std::string& to, const codec::Value& value) {
  std::array<char, 32> digits{};
  const auto number = [&](auto n) {
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), n);
    to.append(digits.data(), end.ptr);
  };
  switch (value.kind) {
    case codec::Value::Kind::kText: return append_json_string(to, value.text);
    case codec::Value::Kind::kJson: to += value.text; return;
    case codec::Value::Kind::kInteger: return number(value.integer);
    case codec::Value::Kind::kUnsigned: return number(value.unsigned_integer);
    case codec::Value::Kind::kReal: return number(value.real);
    case codec::Value::Kind::kProtected: to += "null"; return;  // made by the writer, so never in a producer's event
  }
}

void entity(std::string& to, const ingest::EntityInput& entity) {
  to += '{';
  member(to, "type", entity.type);
  member(to, "id", entity.id);
  if (!entity.fields.empty()) {
    name_of(to, "fields");
    to += '{';
    for (const ingest::FieldInput& field : entity.fields) {
      name_of(to, field.name);
      if (field.remove) {
        to += "null";
      } else {
        value(to, field.value);
      }
    }
    to += '}';
  }
  if (entity.deleted) to += ",\"deleted\":true";
  if (entity.revives) to += ",\"deleted\":false";
  to += '}';
}

}  // namespace

void append_json_string(std::string& to, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      to += "\\u00";
      to += kHex[byte >> 4];
      to += kHex[byte & 15];
    } else {
      to += c;
    }
  }
  to += '"';
}

std::string event_text(const ingest::Event& event) {
  std::string text = "{";
  if (event.occurred_at) member(text, "occurred_at", format_rfc3339(*event.occurred_at));
  name_of(text, "actor");
  entity(text, event.actor);
  member(text, "action", event.action);
  if (event.action_class != codec::ActionClass::kOther) member(text, "action_class", codec::name(event.action_class));
  if (event.outcome != codec::Outcome::kUnknown) member(text, "outcome", codec::name(event.outcome));
  if (!event.targets.empty()) {
    name_of(text, "targets");
    text += '[';
    for (size_t i = 0; i < event.targets.size(); ++i) {
      if (i > 0) text += ',';
      entity(text, event.targets[i]);
    }
    text += ']';
  }
  member(text, "url", event.url);
  member(text, "source", event.source);
  member(text, "source_ip", event.source_ip);
  member(text, "event_id", event.event_id);
  member(text, "session", event.session);
  if (event.on_behalf_of) {
    name_of(text, "on_behalf_of");
    entity(text, *event.on_behalf_of);
  }
  if (!event.custom.empty()) {
    name_of(text, "custom");
    text += '{';
    for (const ingest::ColumnInput& column : event.custom) {
      name_of(text, column.name);
      value(text, column.value);
    }
    text += '}';
  }
  name_of(text, "content_size");
  return text + std::to_string(event.content.size()) + "}";
}

}  // namespace khipu::import
