#include "mcp/tools/event_view.h"

#include <algorithm>

#include "engine/base/bytes.h"
#include "mcp/tools/result_builder.h"
#include "mcp/tools/secrets.h"

namespace khipu::mcp::tools {
namespace {

// A row under construction: every member goes into both forms, and text into the flags.
class RowBuilder {
 public:
  RowBuilder(const EventStyle& style, Renderer& renderer) : style_(style), renderer_(renderer) {}

  bool wanted(std::string_view name) const {
    return style_.fields.empty() || name == "seq" ||
           std::find(style_.fields.begin(), style_.fields.end(), name) != style_.fields.end();
  }
  void put(std::string_view name, OrderedJson value, std::string cell) {
    if (!wanted(name)) return;
    cells_.emplace_back(name, std::move(cell));
    json_[std::string(name)] = std::move(value);
  }
  void text(std::string_view name, const std::string& rendered) {
    if (rendered.empty()) return;
    put(name, rendered, rendered);
  }
  std::string note(Rendered rendered) {
    flags_.add(rendered.flags);
    return std::move(rendered.text);
  }
  void token(std::string_view name, const std::string& raw) {
    if (!raw.empty()) text(name, note(renderer_.token(raw)));
  }
  void value_token(std::string_view name, std::string_view raw) {
    if (!raw.empty()) text(name, note(renderer_.value_token(raw)));
  }
  void withhold(std::string_view name, size_t size_bytes) {
    flags_.add(Flags());
    if (size_bytes > 0) withheld_[std::string(name)] = size_bytes;
  }

  EventView take(Flags extra) {
    flags_.add(extra);
    if (!withheld_.empty()) {
      std::vector<std::string> sizes;
      for (const auto& [name, size] : withheld_.items()) sizes.push_back(name + "=" + size.dump());
      put("withheld", withheld_, join(sizes, "|"));
    }
    if (!flags_.empty()) put("flags", flags_.names(), join(flags_.names(), "|"));
    EventView view;
    size_t csv = 0;
    for (const std::string& column : event_columns(style_)) {
      const auto cell =
          std::find_if(cells_.begin(), cells_.end(), [&](const auto& one) { return one.first == column; });
      view.cells.push_back(cell == cells_.end() ? "" : cell->second);
      csv += view.cells.back().size() + 3;
    }
    view.size_bytes = std::max(dumped_size(json_), csv);
    view.json = std::move(json_);
    return view;
  }

 private:
  const EventStyle& style_;
  Renderer& renderer_;
  OrderedJson json_ = OrderedJson::object();
  OrderedJson withheld_ = OrderedJson::object();
  std::vector<std::pair<std::string, std::string>> cells_;
  Flags flags_;
};

bool reveals(const EventStyle& style, std::string_view name) {
  return std::find(style.reveal.begin(), style.reveal.end(), name) != style.reveal.end();
}

std::vector<std::string> secrets_of(const query::EventRow& event) {
  std::vector<std::string> secrets;
  append_secrets(event.custom, secrets);
  append_secrets(event.actor.fields, secrets);
  for (const query::EntityView& target : event.targets) append_secrets(target.fields, secrets);
  if (event.on_behalf_of) append_secrets(event.on_behalf_of->fields, secrets);
  return secrets;
}

OrderedJson entity_json(const query::EntityView& entity, const EventStyle& style, Renderer& renderer, Flags& flags) {
  OrderedJson out = {{"ref", ref_text(entity, renderer, flags)}};
  if (entity.missing) {
    out["missing"] = true;
    out["registry_row"] = entity.version_row.value;
    return out;
  }
  out["version"] = entity.version;
  if (entity.deleted) out["deleted"] = true;
  if (!entity.fields.empty()) {
    const Renderer::Revealing revealing(renderer, reveals(style, "fields"));
    out["fields"] = fields_json(entity.fields, style.text_chars_max, renderer, style.list_max);
  }
  return out;
}

}  // namespace

std::string ref_text(const query::EntityView& entity, Renderer& renderer, Flags& flags) {
  if (entity.missing) return "?:" + std::to_string(entity.version_row.value);
  Rendered rendered = renderer.ref(entity.ref());
  flags.add(rendered.flags);
  return std::move(rendered.text);
}

void append_secrets(const std::vector<query::NamedOwnedValue>& fields, std::vector<std::string>& secrets) {
  for (const auto& [name, value] : fields) {
    if (value.kind == codec::Value::Kind::kText && is_secret_name(name)) secrets.push_back(value.text);
  }
}

Rendered name_text(const std::string& name, const std::string& field, Renderer& renderer) {
  return name.empty() ? Rendered() : renderer.field(field, name, kNameCharsMax);
}

std::string value_text(const std::string& field, const query::OwnedValue& owned, size_t chars_max, Renderer& renderer) {
  const codec::Value value = owned.view();
  if (value.is_protected()) return "withheld " + owned.as_text();
  const bool is_text = value.kind == codec::Value::Kind::kText || value.kind == codec::Value::Kind::kJson;
  if (is_text || renderer.hides_field(field)) return renderer.field(field, owned.as_text(), chars_max).text;
  return owned.as_text();
}

OrderedJson fields_json(const std::vector<query::NamedOwnedValue>& fields, size_t chars_max, Renderer& renderer,
                        size_t list_max) {
  OrderedJson out = OrderedJson::object();
  for (const query::NamedOwnedValue& field : fields) {
    if (out.size() == list_max) {
      out["(more)"] = "+" + std::to_string(fields.size() - list_max);
      break;
    }
    out[renderer.token(field.name).text] = value_text(field.name, field.value, chars_max, renderer);
  }
  return out;
}

std::string fields_cell(const OrderedJson& fields) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : fields.items()) parts.push_back(name + "=" + value.get<std::string>());
  return join(parts, "|");
}

std::vector<std::string> event_columns(const EventStyle& style) {
  std::vector<std::string> columns = {"seq",     "time",    "actor", "actor_name", "action",
                                      "outcome", "targets", "url",   "source"};
  if (style.detailed) {
    for (const char* more :
         {"recorded_at", "action_class", "actor_version", "actor_fields", "target_details", "on_behalf_of", "source_ip",
          "event_id", "session", "custom", "url_query", "content", "uid"}) {
      columns.emplace_back(more);
    }
  }
  columns.emplace_back("withheld");
  columns.emplace_back("flags");
  if (!style.fields.empty()) {
    std::erase_if(columns, [&](const std::string& column) {
      return column != "seq" && std::find(style.fields.begin(), style.fields.end(), column) == style.fields.end();
    });
  }
  return columns;
}

EventView view_event(const query::EventRow& event, const EventStyle& style, Renderer& renderer) {
  const Renderer::Knowing knowing(renderer, secrets_of(event));
  RowBuilder row(style, renderer);
  Flags flags;
  row.put("seq", event.seq.value, std::to_string(event.seq.value));
  row.text("time", time_text(event.occurred_at));
  row.text("actor", ref_text(event.actor, renderer, flags));
  row.text("actor_name", row.note(name_text(event.actor.name, event.actor.name_field, renderer)));
  row.token("action", event.action);
  row.text("outcome", std::string(codec::name(event.outcome)));
  std::vector<std::string> targets;
  const size_t targets_shown = std::min(event.targets.size(), style.list_max);
  for (size_t i = 0; i < targets_shown; ++i) targets.push_back(ref_text(event.targets[i], renderer, flags));
  if (targets_shown < event.targets.size()) {
    targets.push_back("(+" + std::to_string(event.targets.size() - targets_shown) + " more)");
  }
  if (!targets.empty()) row.put("targets", targets, join(targets, "|"));
  // A path is a token; what stands behind the question mark is free text.
  const UrlParts url = parts_of_url(event.url);
  {
    const Renderer::Revealing revealing(renderer, reveals(style, "url"));
    row.value_token("url", url.path);
  }
  const std::string_view query = url.query;
  row.token("source", event.source);
  flags.add(inspect(event.content));
  flags.add(inspect(query));
  if (!style.detailed) {
    row.withhold("content", event.content.size());
    if (event.sealed_members != 0) row.withhold("sealed", event.sealed_size_class);
    row.withhold("url_query", query.size());
    size_t custom = 0;
    for (const query::NamedOwnedValue& value : event.custom) custom += value.value.as_text().size();
    row.withhold("custom", custom);
    return row.take(flags);
  }
  if (event.sealed_members != 0) row.withhold("sealed", event.sealed_size_class);
  row.text("recorded_at", time_text(event.recorded_at));
  row.text("action_class", std::string(codec::name(event.action_class)));
  const OrderedJson actor = entity_json(event.actor, style, renderer, flags);
  if (actor.contains("version")) row.put("actor_version", actor["version"], actor["version"].dump());
  if (actor.contains("fields")) row.put("actor_fields", actor["fields"], fields_cell(actor["fields"]));
  OrderedJson details = OrderedJson::array();
  std::vector<std::string> detail_cells;
  for (size_t i = 0; i < targets_shown; ++i) {
    const query::EntityView& target = event.targets[i];
    OrderedJson detail = entity_json(target, style, renderer, flags);
    std::string cell = detail["ref"].get<std::string>() + "@" + std::to_string(target.version);
    if (detail.contains("fields")) cell += "{" + fields_cell(detail["fields"]) + "}";
    detail_cells.push_back(std::move(cell));
    details.push_back(std::move(detail));
  }
  if (!details.empty()) row.put("target_details", std::move(details), join(detail_cells, "|"));
  if (event.on_behalf_of) row.text("on_behalf_of", ref_text(*event.on_behalf_of, renderer, flags));
  row.token("source_ip", event.source_ip);
  row.value_token("event_id", event.event_id);
  row.value_token("session", event.session);
  if (!event.custom.empty()) {
    const Renderer::Revealing revealing(renderer, reveals(style, "custom"));
    OrderedJson custom = fields_json(event.custom, style.text_chars_max, renderer, style.list_max);
    std::string cell = fields_cell(custom);
    row.put("custom", std::move(custom), std::move(cell));
  }
  if (!query.empty()) {
    const Renderer::Revealing revealing(renderer, reveals(style, "url"));
    row.text("url_query", row.note(renderer.free_text(query, style.text_chars_max)));
  }
  if (!event.content.empty()) {
    const Renderer::Revealing revealing(renderer, reveals(style, "content"));
    row.text("content", row.note(renderer.free_text(event.content, style.text_chars_max)));
  }
  row.text("uid", hex(event.uid));
  return row.take(flags);
}

}  // namespace khipu::mcp::tools
