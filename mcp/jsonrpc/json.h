// The two JSON types of mcp/: Json for what comes in, OrderedJson for what goes out.
//
// Json sorts its keys: looking one up in a hostile object of a million members stays cheap. OrderedJson keeps the order
// it was built in: models read the first members first, and equal answers are equal bytes.
#pragma once

#include <nlohmann/json.hpp>

namespace khipu::mcp {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

}  // namespace khipu::mcp
