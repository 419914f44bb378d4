#include "engine/import/infer.h"

#include <map>

#include "engine/import/canonical_json.h"
#include "engine/ingest/near_name.h"

namespace khipu::import {
namespace {

// Kinds seen for one name, in order of first appearance of the names.
struct Kinds {
  std::vector<std::pair<std::string, codec::ValueKind>> order;
  std::map<std::string, size_t, std::less<>> index;
  std::map<std::string, bool, std::less<>> mixed;

  void add(std::string_view name, codec::ValueKind kind) {
    const auto known = index.find(name);
    if (known == index.end()) {
      index.emplace(name, order.size());
      order.emplace_back(name, kind);
    } else if (order[known->second].second != kind) {
      mixed[std::string(name)] = true;
    }
  }
};

class Collector {
 public:
  void event(const ingest::Event& event) {
    entity(event.actor);
    for (const ingest::EntityInput& target : event.targets) entity(target);
    if (event.on_behalf_of) entity(*event.on_behalf_of);
    for (const ingest::ColumnInput& column : event.custom) columns_.add(column.name, column.value.schema_kind());
  }

  void report(Inferred& inferred, const registry::Schema& schema) {
    for (const std::string& name : order_) {
      codec::TypeSchema type;
      if (const codec::TypeSchema* known = schema.type(name)) type = *known;
      type.name = name;
      if (!registry::valid_name(name)) {
        inferred.notes.push_back("type " + ingest::quoted(name) + " cannot be defined: use a-z, 0-9 and _");
        continue;
      }
      for (const auto& [field, kind] : types_[name].order) {
        if (schema.field(name, field) != nullptr || !usable(name + "." + field, field, types_[name], inferred))
          continue;
        codec::FieldSchema& made = type.fields.emplace_back();
        made.name = field;
        made.kind = kind;
      }
      inferred.types.push_back(std::move(type));
    }
    for (const auto& [name, kind] : columns_.order) {
      if (!usable("custom." + name, name, columns_, inferred)) continue;
      codec::ColumnSchema& column = inferred.columns.emplace_back();
      column.name = name;
      column.kind = kind;
    }
  }

 private:
  void entity(const ingest::EntityInput& entity) {
    const auto [at, added] = types_.try_emplace(std::string(entity.type));
    if (added) order_.push_back(at->first);
    for (const ingest::FieldInput& field : entity.fields) {
      if (!field.remove) at->second.add(field.name, field.value.schema_kind());
    }
  }

  static bool usable(const std::string& where, const std::string& name, const Kinds& kinds, Inferred& inferred) {
    if (!registry::valid_name(name)) {
      inferred.notes.push_back(ingest::quoted(where) + " cannot be defined: use a-z, 0-9 and _");
      return false;
    }
    if (!kinds.mixed.contains(name)) return true;
    inferred.notes.push_back(where + ": values of several kinds occur: left out, the producer must choose one");
    return false;
  }

  std::vector<std::string> order_;
  std::map<std::string, Kinds, std::less<>> types_;
  Kinds columns_;
};

}  // namespace

Inferred infer(std::string_view ndjson, const registry::Schema& schema) {
  Inferred inferred;
  Collector collector;
  ingest::Limits most;
  most.targets_max = most.fields_max = 4096;  // whatever a writer may be set to
  for (size_t at = 0, line = 1; at < ndjson.size(); ++line) {
    const size_t end = std::min(ndjson.find('\n', at), ndjson.size());
    const std::string_view text = ndjson.substr(at, end - at);
    at = end + 1;
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    ingest::Batch batch;
    if (auto parsed = parse_event(text, batch, nullptr, most); !parsed.ok()) {
      if (inferred.skipped++ == 0)
        inferred.first_problem = "line " + std::to_string(line) + ": " + parsed.error().message;
      continue;
    }
    ++inferred.events;
    collector.event(batch.events.front());
  }
  collector.report(inferred, schema);
  return inferred;
}

}  // namespace khipu::import
