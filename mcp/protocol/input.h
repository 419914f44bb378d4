// Questions to the client's user, model or roots in the middle of a request.
//
// Modern: the result is `input_required`, and the client asks again with the answers. Legacy: requests to the client
// while the call waits. Handlers know the modern form only (mcp/server/call.h does the rest).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "mcp/jsonrpc/json.h"
#include "mcp/protocol/revision.h"

namespace khipu::mcp::protocol {

// What the client says it can do: in `initialize`, or in each modern request.
struct ClientCapabilities {
  bool sampling = false;
  bool roots = false;
  bool elicitation_form = false;
  bool elicitation_url = false;
};
ClientCapabilities parse_capabilities(const Json& capabilities);

struct InputRequest {
  enum class Kind { kElicitation, kSampling, kRoots };
  Kind kind = Kind::kElicitation;
  OrderedJson params = OrderedJson::object();  // of elicitation/create or sampling/createMessage
};
std::string_view input_method(InputRequest::Kind kind);
bool can_ask(const ClientCapabilities& client, const InputRequest& request);
// {"sampling": {}}: what a client would have had to declare for all of them.
OrderedJson required_capabilities(const std::map<std::string, InputRequest>& requests);

// A result that is none yet. At least one of the two is given.
struct InputRequired {
  std::map<std::string, InputRequest> requests;  // by a key of the handler's
  std::string state;                             // handed back with the answers; signed for the way, not secret
};
// `state` is what the client gets: sealed.
OrderedJson input_required_json(const InputRequired& required, const std::string& state);

// The answers, by the keys of the requests: ElicitResult, CreateMessageResult, ListRootsResult as they came. Hostile.
using InputResponses = std::map<std::string, Json>;
// From params of a modern request: absent is empty; anything but an object of objects is an error.
Result<InputResponses> parse_input_responses(const Json& params);

}  // namespace khipu::mcp::protocol
