// `tools/list`, `tools/call`, cancellation and progress as values, and their JSON in each revision.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "mcp/jsonrpc/message.h"
#include "mcp/protocol/content.h"
#include "mcp/protocol/input.h"
#include "mcp/protocol/lifecycle.h"
#include "mcp/protocol/revision.h"

namespace khipu::mcp::protocol {

// Hints for the host, all four always sent: the defaults of the specification are pessimistic.
struct Annotations {
  bool read_only = true;
  bool destructive = false;
  bool idempotent = true;
  bool open_world = false;  // true where a result can carry text that outsiders wrote
};

struct ToolDefinition {
  std::string name;
  std::string title;
  std::string description;
  OrderedJson input_schema;
  std::optional<OrderedJson> output_schema;
  Annotations annotations;
  std::optional<int64_t> result_size_chars_max;  // _meta["anthropic/maxResultSizeChars"]
};

OrderedJson tool_definition_json(const ToolDefinition& tool, Revision revision);

// Borrowed from the params.
struct CallRequest {
  const std::string& name;
  const Json& arguments;  // always an object: absent and null count as {}
};

Result<CallRequest> parse_call(const Json& params);

struct CallResult {
  std::string text;                       // the first content block: the same facts as `structured`
  std::optional<OrderedJson> structured;  // an object
  std::vector<ResourceLink> links;
  OrderedJson meta = nullptr;  // null: none
  bool is_error = false;
  std::vector<Content> content = {};                 // blocks after the text; with an empty text the only ones
  std::optional<InputRequired> input_required = {};  // instead of all that
  std::optional<Error> cause = {};                   // why the log could not be read: for the operator, never sent
};

// As text: a value made of it costs a small result more than the call. `server` is named in modern ones.
void append_call_result(std::string& out, const CallResult& result, Revision revision, const Implementation& server);

// params._meta.progressToken of any request; nullopt if it wants no progress.
std::optional<jsonrpc::Id> parse_progress_token(const Json& params);

// notifications/cancelled: the id of the request to stop; nullopt if it names none (the notification is ignored).
std::optional<jsonrpc::Id> parse_cancelled(const Json& params);

struct Progress {
  double value = 0;
  std::optional<double> total;
  std::string message;  // empty: absent
};

OrderedJson progress_json(const jsonrpc::Id& token, const Progress& progress, Revision revision);

}  // namespace khipu::mcp::protocol
