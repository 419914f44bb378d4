// One client over lines (stdio): finds out its era, and hands its messages to the legacy session or the modern front.
//
// A process begins open. `initialize` makes it legacy, any modern request but `server/discover` makes it modern:
// released hosts discover first and then send `initialize` to the same process.
#pragma once

#include <mutex>

#include "mcp/jsonrpc/channel.h"
#include "mcp/server/modern.h"
#include "mcp/server/session.h"

namespace khipu::mcp::server {

// Thread-safe. The outbox of the last line outlives it,
// or is told by another line that it is gone.
class Conversation final : public jsonrpc::Handler {
 public:
  Conversation(Server& server, Caller caller);

  void receive(std::string_view line, jsonrpc::Outbox& outbox) override { receive(line, outbox, Stay::kNo); }
  void receive_at_leisure(std::string_view line, jsonrpc::Outbox& outbox, const Leave& leave) override {
    receive(line, outbox, Stay(Stay::kByLeave, &leave));
  }
  bool drain(std::chrono::milliseconds wait_max) override;
  void cancel_all() override;

  // The negotiated revision of a legacy session; nullopt in the other eras.
  std::optional<protocol::Revision> revision() const { return session_.revision(); }

 private:
  void attach(jsonrpc::Outbox& outbox);
  void receive(std::string_view line, jsonrpc::Outbox& outbox, Stay stay);
  void receive_request(jsonrpc::Request request, jsonrpc::Outbox& outbox, Stay stay);

  const Caller caller_;
  std::mutex mutex_;
  bool is_modern_ = false;             // guarded by mutex_, as is the next
  jsonrpc::Outbox* stream_ = nullptr;  // what session_ has attached
  Session session_;
  Modern modern_;
};

}  // namespace khipu::mcp::server
