// JSON-RPC 2.0 messages as values. Not here: what a method means (mcp/protocol), who answers it (mcp/server).
// Specified in https://www.jsonrpc.org/specification, narrowed by MCP: ids are strings or integers, params objects.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mcp/jsonrpc/error_code.h"
#include "mcp/jsonrpc/json.h"

namespace khipu::mcp::jsonrpc {

// A request id with the JSON type and value its sender gave it: 0, "0" and 9223372036854775808 stay three ids.
class Id {
 public:
  explicit Id(int64_t number) : value_(number) {}
  explicit Id(std::string text) : value_(std::move(text)) {}

  // nullopt for what MCP does not allow as an id or a progress token: null, fractions, booleans, structures.
  static std::optional<Id> from(const Json& json);

  OrderedJson to_json() const;
  auto operator<=>(const Id&) const = default;

 private:
  // Integers above INT64_MAX are kept unsigned; all others signed, so that one number has one form.
  explicit Id(uint64_t number) : value_(number) {}
  std::variant<int64_t, uint64_t, std::string> value_;
};

struct Request {
  Id id;
  std::string method;
  Json params;  // always an object: absent and null count as {}
};

struct Notification {
  std::string method;
  Json params;  // always an object
};

// An answer from the peer to a request of ours.
struct Response {
  std::optional<Id> id;
  std::optional<Json> result;  // absent: an error
};

// JSON that is not a message we take, or not JSON. It may be answered if, and only if, it has an id.
struct Invalid {
  std::optional<Id> id;
  ErrorCode code = ErrorCode::kInvalidRequest;
  std::string message;
  std::vector<Id> batch_ids = {};  // of a batch that is too long: those of its requests
};

using Message = std::variant<Request, Notification, Response, Invalid>;

// An array of messages: revision 2025-03-26 has them, every other one refuses them (mcp/server decides).
struct Batch {
  std::vector<Message> messages;
};

using Incoming = std::variant<Message, Batch>;

}  // namespace khipu::mcp::jsonrpc
