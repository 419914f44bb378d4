// Many clients over HTTP: finds out the era of each request, keeps the legacy sessions, and says with which status what
// is refused. Not here: sockets, types, Origin, tokens (mcp/transport, mcp/auth).
//
// The body decides the era, not the headers: headers are then held to it. The table is in mcp/README.md.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mcp/jsonrpc/channel.h"
#include "mcp/jsonrpc/parse.h"
#include "mcp/server/modern.h"
#include "mcp/server/session.h"

namespace khipu::mcp::server {

struct WebOptions {
  size_t sessions_max = 1000;  // one more takes the place of the one used longest ago; who listens goes last
  int64_t session_idle_ms_max = 8LL * 3'600'000;  // most clients never recover from a lost session
  jsonrpc::Limits limits;
};

// Thread-safe. Stop the transport first: calls in flight hold its outboxes.
class Web final : public jsonrpc::WebHandler {
 public:
  Web(Server& server, WebOptions options);
  ~Web() override;

  void post(const Caller& caller, const jsonrpc::Head& head, std::string_view body, jsonrpc::Outbox& outbox) override;
  bool takes_any_session(const jsonrpc::Head& head) const override;
  int open_stream(const Caller& caller, const jsonrpc::Head& head, jsonrpc::Outbox& outbox) override;
  void close_stream(jsonrpc::Outbox& outbox) override;
  int end_session(const Caller& caller, const jsonrpc::Head& head) override;
  void abandon(jsonrpc::Outbox& outbox) override;
  void end_streams() override;

  size_t session_count() const;

 private:
  struct Entry {
    std::shared_ptr<Session> session;
    std::string authority;  // of the caller that began it
    TimeUs used_at = 0;
  };

  void post_request(const Caller& caller, const jsonrpc::Head& head, jsonrpc::Request request, jsonrpc::Outbox& outbox);
  void post_legacy(const Caller& caller, const jsonrpc::Head& head, jsonrpc::Incoming incoming,
                   jsonrpc::Outbox& outbox);
  void begin_session(const Caller& caller, const jsonrpc::Request& request, jsonrpc::Outbox& outbox);
  // The caller's session of that id, now used; nullptr: none, or not the caller's.
  std::shared_ptr<Session> find_session(const Caller& caller, const std::string& id);
  // Sessions whose time is over, and those that waited for their calls: let go outside the lock.
  void sweep();
  std::string make_id() const;

  Server& server_;
  const WebOptions options_;
  mutable std::mutex mutex_;  // guards the next three
  std::map<std::string, Entry> sessions_;
  std::map<jsonrpc::Outbox*, std::shared_ptr<Session>> streams_;
  std::vector<std::shared_ptr<Session>> leaving_;  // ended, with calls that have not noticed yet
  Modern modern_;
};

}  // namespace khipu::mcp::server
