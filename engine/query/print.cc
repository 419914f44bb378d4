#include "engine/query/print.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/base/time.h"
#include "engine/base/visible.h"

namespace khipu::query {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// `"name":` with the comma that parts it from what stands before.
void key(std::string& to, std::string_view name) {
  if (to.back() != '{') to += ',';
  to += '"';
  to += name;
  to += "\":";
}
void text_member(std::string& to, std::string_view name, std::string_view text) {
  key(to, name);
  append_json_string(to, text);
}
void optional_member(std::string& to, std::string_view name, std::string_view text) {
  if (!text.empty()) text_member(to, name, text);
}
void number_member(std::string& to, std::string_view name, uint64_t number) {
  key(to, name);
  to += std::to_string(number);
}
void flag_member(std::string& to, std::string_view name) {
  key(to, name);
  to += "true";
}

// JSON kept as it came, but for what drives a terminal, on one line: a break can only stand between tokens.
void splice(std::string& to, std::string_view json) {
  const size_t from = to.size();
  append_visible_json(to, json);
  for (size_t i = from; i < to.size(); ++i) {
    if (to[i] == '\n' || to[i] == '\r') to[i] = ' ';
  }
}

void values(std::string& to, std::string_view name, const std::vector<NamedOwnedValue>& values) {
  key(to, name);
  to += '{';
  for (const NamedOwnedValue& value : values) {
    if (to.back() != '{') to += ',';
    append_json_string(to, value.name);
    to += ':';
    append_value(to, value.value);
  }
  to += '}';
}

void entity(std::string& to, const EntityView& view, bool canonical) {
  to += '{';
  if (view.missing) {
    flag_member(to, "missing");
    number_member(to, "entity_row", view.entity.value);
    number_member(to, "version_row", view.version_row.value);
    to += '}';
    return;
  }
  text_member(to, "type", view.type);
  text_member(to, "id", view.id);
  if (!canonical) {
    optional_member(to, "name", view.name);
    number_member(to, "version", view.version);
  }
  if (view.deleted) flag_member(to, "deleted");
  if (canonical && view.says_alive && !view.deleted) {
    key(to, "deleted");
    to += "false";
  }
  // As input, a reference with fields would revive the entity.
  if (!view.deleted || !canonical) values(to, "fields", view.fields);
  to += '}';
}

void members(std::string& to, const EventRow& event, bool canonical) {
  text_member(to, "occurred_at", format_rfc3339(event.occurred_at));
  key(to, "actor");
  entity(to, event.actor, canonical);
  text_member(to, "action", event.action);
  text_member(to, "action_class", codec::name(event.action_class));
  text_member(to, "outcome", codec::name(event.outcome));
  key(to, "targets");
  to += '[';
  for (const EntityView& target : event.targets) {
    if (to.back() != '[') to += ',';
    entity(to, target, canonical);
  }
  to += ']';
  optional_member(to, "url", event.url);
  optional_member(to, "source", event.source);
  optional_member(to, "source_ip", event.source_ip);
  optional_member(to, "event_id", event.event_id);
  optional_member(to, "session", event.session);
  if (event.on_behalf_of) {
    key(to, "on_behalf_of");
    entity(to, *event.on_behalf_of, canonical);
  }
  if (event.content_kind == codec::ContentKind::kText) text_member(to, "content", event.content);
  if (event.content_kind == codec::ContentKind::kJson) {
    key(to, "content");
    splice(to, event.content);
  }
  if (event.sealed_members != 0) {
    key(to, "withheld");
    to += "{\"members\":[";
    const std::pair<uint8_t, const char*> names[] = {{codec::SealedContent::kSourceIp, "source_ip"},
                                                     {codec::SealedContent::kText, "content"},
                                                     {codec::SealedContent::kJson, "content"}};
    for (const auto& [bit, word] : names) {
      if ((event.sealed_members & bit) == 0) continue;
      if (to.back() != '[') to += ',';
      append_json_string(to, word);
    }
    to += "],\"size_class\":" + std::to_string(event.sealed_size_class) + '}';
  }
  if (!event.custom.empty()) values(to, "custom", event.custom);
}

}  // namespace

void append_json_string(std::string& to, std::string_view text) {
  to += '"';
  while (!text.empty()) {
    size_t plain = 0;  // the run that needs nothing
    while (plain < text.size() && static_cast<uint8_t>(text[plain]) >= 0x20 &&
           static_cast<uint8_t>(text[plain]) < 0x7F && text[plain] != '"' && text[plain] != '\\') {
      ++plain;
    }
    to += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto byte = static_cast<uint8_t>(text[0]);
    size_t size = 1;
    if (byte == '"' || byte == '\\') {
      to += '\\';
      to += text[0];
    } else if (byte == '\n') {
      to += "\\n";
    } else if (byte == '\r') {
      to += "\\r";
    } else if (byte == '\t') {
      to += "\\t";
    } else {
      const CodePoint point = first_code_point(text);
      size = std::max<size_t>(point.size, 1);
      if (point.size == 0) {
        to += kReplacement;
      } else if (is_visible(point.value)) {
        to += text.substr(0, size);
      } else {
        append_json_escape(to, point.value);
      }
    }
    text.remove_prefix(size);
  }
  to += '"';
}

// {"withheld":"sealed","size_class":32}
static void append_withheld(std::string& to, const Withheld& told) {
  to += "{\"withheld\":\"" + std::string(codec::name(told.protection)) + '"';
  if (told.size_class > 0) to += ",\"size_class\":" + std::to_string(told.size_class);
  to += '}';
}

void append_value(std::string& to, const OwnedValue& value) {
  switch (value.kind) {
    case codec::Value::Kind::kText: append_json_string(to, value.text); return;
    case codec::Value::Kind::kJson: splice(to, value.text); return;
    case codec::Value::Kind::kReal:
      // JSON has no word for these; a record cannot hold them, a damaged reader must not print them bare.
      if (!std::isfinite(value.real)) {
        to += "null";
        return;
      }
      if (value.real == 0 && std::signbit(value.real)) {  // "-0" would be read as the integer 0
        to += "-0.0";
        return;
      }
      [[fallthrough]];
    case codec::Value::Kind::kInteger:
    case codec::Value::Kind::kUnsigned: to += value.as_text(); return;
    case codec::Value::Kind::kProtected: append_withheld(to, withheld(value)); return;
  }
}

void append_canonical_event(std::string& to, const EventRow& event) {
  to += '{';
  members(to, event, true);
  to += '}';
}

void append_event(std::string& to, const EventRow& event) {
  to += '{';
  number_member(to, "seq", event.seq.value);
  text_member(to, "uid", hex(event.uid));
  text_member(to, "recorded_at", format_rfc3339(event.recorded_at));
  members(to, event, false);
  to += '}';
}

void append_version(std::string& to, const VersionView& version) {
  to += '{';
  number_member(to, "version", version.version);
  text_member(to, "time", format_rfc3339(version.time));
  text_member(to, "recorded_at", format_rfc3339(version.recorded_at));
  if (version.seq) number_member(to, "seq", version.seq->value);
  if (version.changed_by && !version.changed_by->missing) {
    text_member(to, "changed_by", version.changed_by->ref());
    optional_member(to, "changed_by_name", version.changed_by->name);
  }
  if (version.deleted) flag_member(to, "deleted");
  if (version.revived) flag_member(to, "revived");
  key(to, "changes");
  to += '[';
  for (const FieldChange& change : version.changes) {
    if (to.back() != '[') to += ',';
    to += '{';
    text_member(to, "field", change.field);
    key(to, "from");
    if (change.from) append_value(to, *change.from);
    if (!change.from) to += "null";
    key(to, "to");
    if (change.to) append_value(to, *change.to);
    if (!change.to) to += "null";
    to += '}';
  }
  to += ']';
  values(to, "fields", version.fields);
  to += '}';
}

void append_finding(std::string& to, const Finding& finding) {
  to += '{';
  text_member(to, "code", finding.code);
  text_member(to, "table", table_name(finding.table));
  number_member(to, "row", finding.row.value);
  number_member(to, "rows", finding.rows);
  text_member(to, "where", finding.where);
  to += '}';
}

void append_as_of(std::string& to, const AsOf& as_of) {
  to += '{';
  number_member(to, "tree_size", as_of.tree_size);
  text_member(to, "root", base64(as_of.root));
  number_member(to, "registry_size", as_of.registry_size);
  number_member(to, "commit", as_of.commit.value);
  text_member(to, "commit_time", format_rfc3339(as_of.commit_time));
  key(to, "key_pinned");
  to += as_of.key_pinned ? "true}" : "false}";
}

void append_coverage(std::string& to, const Coverage& coverage) {
  to += '{';
  if (coverage.retained_from) text_member(to, "retained_from", format_rfc3339(*coverage.retained_from));
  number_member(to, "first_seq", coverage.first_seq.value);
  number_member(to, "purged_rows", coverage.purged_rows);
  if (coverage.purged_at) {
    text_member(to, "not_retained_since", format_rfc3339(*coverage.purged_at));
    number_member(to, "retention_meta_row", coverage.purged_by.value);
  }
  key(to, "purged_overlap");
  to += coverage.purged_overlap ? "true" : "false";
  key(to, "complete");
  to += coverage.complete ? "true}" : "false}";
}

void append_notes(std::string& to, const std::vector<Note>& notes) {
  to += '[';
  for (const Note& note : notes) {
    if (to.back() != '[') to += ',';
    to += '{';
    text_member(to, "code", note.code);
    text_member(to, "text", note.text);
    optional_member(to, "subject", note.subject);
    to += '}';
  }
  to += ']';
}

void append_findings(std::string& to, const std::vector<Finding>& findings) {
  to += '[';
  for (const Finding& finding : findings) {
    if (to.back() != '[') to += ',';
    append_finding(to, finding);
  }
  to += ']';
}

void append_error(std::string& to, const QueryError& error) {
  to += '{';
  text_member(to, "code", error.code);
  optional_member(to, "field", error.field);
  optional_member(to, "got", error.got);
  if (!error.allowed.empty()) {
    key(to, "allowed");
    to += '[';
    for (const std::string& word : error.allowed) {
      if (to.back() != '[') to += ',';
      append_json_string(to, word);
    }
    to += ']';
  }
  optional_member(to, "did_you_mean", error.did_you_mean);
  text_member(to, "hint", error.hint);
  to += '}';
}

}  // namespace khipu::query
