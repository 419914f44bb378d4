// The modern era (2026-07-28): each request stands for itself. Checks in the order of MCP's table, then the methods
// both eras share, `server/discover`, and the one thing that lasts: `subscriptions/listen`.
#pragma once

#include <list>
#include <mutex>

#include "mcp/jsonrpc/channel.h"
#include "mcp/jsonrpc/message.h"
#include "mcp/protocol/modern.h"
#include "mcp/server/in_flight.h"
#include "mcp/server/methods.h"
#include "mcp/server/server.h"

namespace khipu::mcp::server {

inline constexpr size_t kListensMax = 1024;

// Thread-safe. Destroy it before the outboxes it was given.
class Modern final : public ChangeListener {
 public:
  // `shares_clients`: many clients, ids are unique for each outbox only, and an answer can have an HTTP status.
  Modern(Server& server, bool shares_clients);
  ~Modern() override;

  // `head`: nullptr where there are no headers.
  void receive(const Caller& caller, jsonrpc::Request request, const jsonrpc::Head* head, jsonrpc::Outbox& outbox,
               Stay stay = Stay::kNo);
  // notifications/cancelled from a client of its own.
  void cancel(const jsonrpc::Id& id);
  // The client of this outbox is gone, which cancels: nothing is sent to it any more.
  void abandon(jsonrpc::Outbox& outbox);
  // Ends every subscription, with its result.
  void end_subscriptions();

  bool drain(std::chrono::milliseconds wait_max) { return in_flight_.drain(wait_max); }
  void cancel_all() { in_flight_.cancel_all(); }
  void changed(const Change& change) override;

 private:
  class CallTask;
  struct Listen {
    jsonrpc::Id id;
    jsonrpc::Outbox* outbox;
    protocol::SubscriptionFilter filter;
  };

  std::optional<Failure> find_fault(const jsonrpc::Request& request, const jsonrpc::Head* head) const;
  void discover(const jsonrpc::Request& request, jsonrpc::Outbox& outbox) const;
  void listen(const Caller& caller, const jsonrpc::Request& request, jsonrpc::Outbox& outbox);
  const void* scope_of(const jsonrpc::Outbox& outbox) const { return shares_clients_ ? &outbox : nullptr; }

  Server& server_;
  const bool shares_clients_;
  std::mutex mutex_;
  std::list<Listen> listens_;  // guarded by mutex_
  InFlight in_flight_;
};

// Sends a failure with its status, if it has one.
void refuse(jsonrpc::Outbox& outbox, const std::optional<jsonrpc::Id>& id, const Failure& failure);

}  // namespace khipu::mcp::server
