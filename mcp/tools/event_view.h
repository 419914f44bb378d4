// One event as a row of a result, in both forms from one rendering. Concise: names and sizes. Detailed: versions, all
// columns, free text marked and capped. Provenance tiers: mcp/README.md.
#pragma once

#include <string>
#include <vector>

#include "engine/query/rows.h"
#include "mcp/jsonrpc/json.h"
#include "mcp/tools/render.h"

namespace khipu::mcp::tools {

struct EventView {
  OrderedJson json;                // the row of structuredContent
  std::vector<std::string> cells;  // by event_columns(), rendered
  size_t size_bytes = 0;           // of the larger of both forms
};

struct EventStyle {
  bool detailed = false;
  size_t text_chars_max = kTextCharsMax;
  size_t list_max = SIZE_MAX;       // targets, fields and columns shown; a cut list says how many are left out
  std::vector<std::string> fields;  // only these members (and seq); empty: all
  std::vector<std::string> reveal;  // shown unmasked, by a caller who may: content, url, custom, fields
};

// How one record that exceeds the budget alone is cut, step by step.
struct Cut {
  size_t chars_max, list_max;
};
inline constexpr Cut kCuts[] = {{1000, 100}, {400, 40}, {80, 20}, {40, 5}, {16, 2}};

std::vector<std::string> event_columns(const EventStyle& style);
EventView view_event(const query::EventRow& event, const EventStyle& style, Renderer& renderer);
// Appends the texts that are masked where they are shown, for their fields' names: all other text shown with them hides
// them, too.
void append_secrets(const std::vector<query::NamedOwnedValue>& fields, std::vector<std::string>& secrets);
// What an entity is shown by, which is a value of one of its fields. Empty when it has no name.
Rendered name_text(const std::string& name, const std::string& field, Renderer& renderer);
// A value of a field or column, of any kind. Of a protected one "withheld (sealed, up to 32 bytes)", made of our words.
std::string value_text(const std::string& field, const query::OwnedValue& value, size_t chars_max, Renderer& renderer);
OrderedJson fields_json(const std::vector<query::NamedOwnedValue>& fields, size_t chars_max, Renderer& renderer,
                        size_t list_max = SIZE_MAX);
// "name=value" pairs, each value rendered as the field's name demands.
std::string fields_cell(const OrderedJson& fields);
// type:id as a token, "?" with the registry row when the version could not be shown.
std::string ref_text(const query::EntityView& entity, Renderer& renderer, Flags& flags);

}  // namespace khipu::mcp::tools
