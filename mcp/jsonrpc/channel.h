// The small interfaces between what delivers messages (mcp/transport) and what answers them (mcp/server).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcp/jsonrpc/caller.h"

namespace khipu::mcp::jsonrpc {

// Where the answer to one received line goes. Called from any thread, never from two at once for the same line.
// The owner keeps it alive until it was told done(), and is not called back from within.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void notify(std::string line) = 0;   // a notification, or a request to the client, that belongs to the line
  virtual void respond(std::string line) = 0;  // a response; one line brings one, a refused batch one for each request
  // Instead of the first respond(): an answer with an HTTP status of its own. An empty line is a status and no more.
  // Where there are no statuses, or it is too late for one, this is respond().
  virtual void refuse(int http_status, std::string line) {
    static_cast<void>(http_status);
    if (!line.empty()) respond(std::move(line));
  }
  // From here on more than one message may come, whether or not one does soon.
  virtual void open_stream() {}
  // False: the client takes one response and nothing else; what is notified is dropped.
  virtual bool takes_stream() const { return true; }
  // Its answer reaches the client apart from all others, so that two of one id are told apart.
  virtual bool stands_apart() const { return false; }
  // HTTP: the id of the session that this line began. Before anything else.
  virtual void begin_session(const std::string& id) { static_cast<void>(id); }
  virtual void done() {}  // nothing more comes for this line, also if there was no response
};

// What a transport with one client hands lines to. Thread-safe: lines come one after another, but a second thread may
// bring the next ones while the first is kept.
class Handler {
 public:
  virtual ~Handler() = default;
  // Returns soon: the next line waits for this thread.
  virtual void receive(std::string_view line, Outbox& outbox) = 0;
  // Is asked when a request is about to be run, known by then to what comes after it. True: the thread may be kept for
  // as long as that takes, for another one brings the next lines should it be long.
  using Leave = std::function<bool()>;
  virtual void receive_at_leisure(std::string_view line, Outbox& outbox, const Leave& leave) {
    static_cast<void>(leave);
    receive(line, outbox);
  }
  // Waits for the calls in flight; true if none is left.
  virtual bool drain(std::chrono::milliseconds wait_max) = 0;
  // Stops the calls in flight: they answer nothing from here on.
  virtual void cancel_all() = 0;
};

// What MCP puts into the headers of an HTTP request. Values as they came, without surrounding blanks.
struct Head {
  std::optional<std::string> session;                       // Mcp-Session-Id
  bool has_odd_session = false;                             // it has letters that no session id has; `session` is empty
  std::optional<std::string> version;                       // MCP-Protocol-Version
  std::optional<std::string> method;                        // Mcp-Method
  std::optional<std::string> name;                          // Mcp-Name
  std::vector<std::pair<std::string, std::string>> params;  // Mcp-Param-*: what follows the last dash, lower case
};

// What HTTP hands requests to: many clients, each request on a thread of its own.
class WebHandler {
 public:
  virtual ~WebHandler() = default;
  // The outbox lives until it was told done(). The thread may be kept for what is known to be brief: nothing of the
  // answer leaves before this returns, and nobody sees the client leave.
  virtual void post(const Caller& caller, const Head& head, std::string_view body, Outbox& outbox) = 0;
  // Mcp-Session-Id means nothing to this request, so whatever it holds is no fault.
  virtual bool takes_any_session(const Head& head) const {
    static_cast<void>(head);
    return false;
  }
  // GET: a stream for what belongs to no request. 0: the outbox is used until close_stream(), or until it was told
  // done(). Else the status of a refusal, and the outbox is not used.
  virtual int open_stream(const Caller& caller, const Head& head, Outbox& outbox) = 0;
  virtual void close_stream(Outbox& outbox) = 0;
  virtual int end_session(const Caller& caller, const Head& head) = 0;  // DELETE: the status
  // The client of an outbox that was not told done() has gone. Whether that stops the call is the era's business.
  virtual void abandon(Outbox& outbox) = 0;
  // The server is about to stop: every stream is told what there is to say, and done().
  virtual void end_streams() = 0;
};

}  // namespace khipu::mcp::jsonrpc
