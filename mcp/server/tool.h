// What a tool is to the server: its definition, and a call that turns arguments into a result.
//
// Not here: any tool (mcp/tools), or anything about JSON-RPC. A tool never sees an id, a session or a transport.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "mcp/jsonrpc/caller.h"
#include "mcp/jsonrpc/json.h"
#include "mcp/protocol/logging.h"
#include "mcp/protocol/prompts.h"
#include "mcp/protocol/resources.h"
#include "mcp/protocol/tools.h"

namespace khipu::mcp::server {

using protocol::Annotations;
using protocol::ResourceLink;

// What clients see of a tool. The schemas are the JSON text of their files: what is shown is what validates.
struct ToolInfo {
  std::string name;  // [A-Za-z0-9_.-]{1,40}
  std::string title;
  std::string description;  // at most 2,000 bytes: hosts cut the rest without a word
  std::string input_schema;
  std::string output_schema;  // empty: none
  Annotations annotations;
  std::optional<int64_t> result_size_chars_max;
  // Ends within some milliseconds whatever the arguments, and neither reports progress nor asks: over HTTP it runs on
  // the connection's thread, which does not see the client leave.
  bool is_brief = false;
  bool is_unlinted = false;  // not held to mcp/server/lint.h: legal, and some hosts will drop the tool
};

// Text for the model, and the same facts as an object. Hostile text in either went through mcp/tools/render.h.
using ToolResult = protocol::CallResult;

using jsonrpc::Caller;
using jsonrpc::Scope;

// One call in progress. Owned by the server; the tool may use it until it returns, from the calling thread.
class CallContext {
 public:
  virtual ~CallContext() = default;

  virtual const Caller& caller() const = 0;
  virtual protocol::Revision revision() const = 0;
  // Asks to stop: cancelled, or the client is gone. Long work looks at it often; what it then returns is not sent.
  virtual std::stop_token stop() const = 0;
  virtual TimeUs now() const = 0;
  // Time left before hosts give up on the call. Answer in part, with a cursor, before it is gone.
  virtual int64_t remaining_ms() const = 0;
  // Fresh for each call and unguessable: the tag around hostile text (mcp/tools/render.h).
  virtual const std::string& mark_tag() const = 0;
  // Told to the client if it asked for progress; dropped if not larger than the last, or within 100 ms of it.
  virtual void progress(const protocol::Progress& progress) = 0;
  // Told to a client that asked to hear of this level; only where Options::logging is declared. Never a payload.
  virtual void log(protocol::LogLevel level, OrderedJson data) = 0;
  // Told to the operator and not to the client: which file cannot be read, and why. Never a payload.
  virtual void tell_operator(const std::string& text) { static_cast<void>(text); }

  // Asking the client something: return a result with `input_required`. The handler is then called again, with the
  // answers and the state of the last result; nothing else survives between the two calls.
  virtual const protocol::ClientCapabilities& client() const = 0;  // what may be asked at all
  virtual const protocol::InputResponses& input() const = 0;       // hostile; empty on the first call
  virtual const std::string& state() const = 0;                    // ours, unchanged; empty on the first call
};

class Tool {
 public:
  virtual ~Tool() = default;
  virtual const ToolInfo& info() const = 0;
  // Whether this caller hears of the tool at all; to anyone else it is unknown.
  virtual bool is_listed(const Caller& caller) const {
    static_cast<void>(caller);
    return true;
  }
  // Several threads call at once. What the caller did wrong, and what could not be done, is a result with is_error.
  virtual ToolResult call(const Json& arguments, CallContext& context) = 0;
};

// Sees every finished call, read, prompt and completion before its answer leaves: the access log. May change the result
// ("this read was not recorded"), or replace it. Several threads call at once.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void finished(const Tool& tool, const Json& arguments, CallContext& context, ToolResult& result) = 0;
  // A call of a tool that is not for this caller, or of none: then `name` is "?" and the length of what was given.
  virtual void unknown(const std::string& name, CallContext& context) {
    static_cast<void>(name), static_cast<void>(context);
  }
  // A request whose params are no call, read or prompt at all.
  virtual void refused(const std::string& method, CallContext& context) {
    static_cast<void>(method), static_cast<void>(context);
  }
  virtual void read(const std::string& uri, CallContext& context, Result<protocol::ReadResult>& result) {
    static_cast<void>(uri), static_cast<void>(context), static_cast<void>(result);
  }
  virtual void prompted(const std::string& name, CallContext& context, Result<protocol::PromptResult>& result) {
    static_cast<void>(name), static_cast<void>(context), static_cast<void>(result);
  }
  virtual void completed(const std::string& argument, CallContext& context, Result<protocol::Completion>& result) {
    static_cast<void>(argument), static_cast<void>(context), static_cast<void>(result);
  }
};

}  // namespace khipu::mcp::server
