// The methods both eras share: params to a reply, without ids, sessions or sending. Calls tools, prompts and resources.
#pragma once

#include <optional>
#include <string>

#include "mcp/jsonrpc/channel.h"
#include "mcp/server/server.h"

namespace khipu::mcp::server {

// A JSON-RPC error to be.
struct Failure {
  jsonrpc::ErrorCode code = jsonrpc::ErrorCode::kInternalError;
  std::string message;
  OrderedJson data = nullptr;  // null: absent
  int http_status = 0;         // 0: 200, in-band
};

// One of the four; a result of a list or a read has cache hints.
struct Reply {
  OrderedJson result = OrderedJson::object();
  std::optional<protocol::InputRequired> input_required = {};
  std::optional<Failure> failure = {};
  std::optional<CacheHints> cache = {};
  std::optional<protocol::CallResult> call_result = {};
};
Reply failed(jsonrpc::ErrorCode code, std::string message);

// Whether `perform` takes the method: known, declared, and of the revision.
bool is_served(const Server& server, std::string_view method, protocol::Revision revision);
// Answered from memory: not worth a worker.
bool is_quick(std::string_view method);
// Whether a request may be run by the thread that brought it.
struct Stay {
  enum Kind {
    kNo,       // other requests wait for that thread
    kBriefly,  // its own connection waits for it: for what is known to be brief
    kByLeave,  // if it is given leave: another thread then does what that one did
  };
  Stay(Kind kind_, const jsonrpc::Handler::Leave* leave_ = nullptr) : kind(kind_), leave(leave_) {}
  bool granted() const { return leave == nullptr || (*leave)(); }
  Kind kind;
  const jsonrpc::Handler::Leave* leave;  // of kByLeave; borrowed for the call
};
// Whether a request that is no quick one may be performed on the thread that brought it.
bool may_stay(const Server& server, Stay stay, std::string_view method, const Json& params);
// Whether a result of this method may ask the client for input.
bool may_ask(std::string_view method);

// What a library throws passes through.
Reply perform(const Server& server, const std::string& method, const Json& params, CallContext& context);

// What could not be done, as the method says it: a result with isError for a tool, an error for everything else.
Reply refusal(const std::string& method, const std::string& code, const std::string& hint, int64_t retry_after_s);

// A client's word inside one of our sentences, after a blank: only if it is a plain name, as its other bytes could be
// anything. Else "".
std::string plain_name(std::string_view text);

}  // namespace khipu::mcp::server
