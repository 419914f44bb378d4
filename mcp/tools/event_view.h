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
// Appends a text that is masked where it is shown, for its field's name: all other text shown with it hides it, too.
void append_secret(const std::string& field, const query::OwnedValue& value, std::vector<std::string>& secrets);
// "withheld (sealed, up to 32 bytes)": made of our words alone.
std::string withheld_text(const query::OwnedValue& value);
OrderedJson fields_json(const std::vector<query::NamedOwnedValue>& fields, size_t chars_max, Renderer& renderer,
                        size_t list_max = SIZE_MAX);
// "name=value" pairs, each value rendered as the field's name demands.
std::string fields_cell(const OrderedJson& fields);
// type:id as a token, "?" with the registry row when the version could not be shown.
std::string ref_text(const query::EntityView& entity, Renderer& renderer, Flags& flags);

}  // namespace khipu::mcp::tools
