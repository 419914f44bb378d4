// The shared filter arguments as a query::Filter: names, times and words resolved, or the error that says which one is
// wrong. And the filter that ran, as `applied` shows it.
#pragma once

#include <string>

#include "engine/query/filter.h"
#include "mcp/jsonrpc/json.h"
#include "mcp/tools/render.h"

namespace khipu::mcp::tools {

struct FilterArguments {
  query::Filter filter;
  std::string tz;
  OrderedJson given_window = OrderedJson::object();  // "from", "to" in the caller's words, rendered
  std::string given;                                 // canonical text of all filter arguments; "" when there are none
};

// `arguments` passed the tool's schema.
query::Answer<FilterArguments> filter_arguments(const Json& arguments, TimeUs now);
OrderedJson applied_json(const query::Filter& filter, Renderer& renderer);  // of answers without an order
OrderedJson applied_json(const query::Filter& filter, const query::Order& order, Renderer& renderer);

}  // namespace khipu::mcp::tools
