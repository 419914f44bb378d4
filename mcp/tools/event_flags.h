// The renderer's flags as labels that the query engine can group by: an event bears the flags that its row of
// audit_query shows. The engine knows nothing of hostile text, and this file nothing of counting.
#pragma once

#include "engine/query/aggregate.h"

namespace khipu::mcp::tools {

query::Labels flag_labels();

}  // namespace khipu::mcp::tools
