// One client's conversation, legacy eras: the handshake, dispatch of each message, the calls in flight.
//
// stdio has one for the life of the process; HTTP has one for each Mcp-Session-Id.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "mcp/jsonrpc/channel.h"
#include "mcp/jsonrpc/message.h"
#include "mcp/server/server.h"

namespace khipu::mcp::server {

class Call;

// Thread-safe. Quick methods are answered on the thread that calls receive(); tools run on the server's workers, so
// that ping and cancellation are answered during a long call. The destructor cancels and waits for the calls in flight.
class Session final : public jsonrpc::Handler {
 public:
  Session(Server& server, Caller caller);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void receive(std::string_view line, jsonrpc::Outbox& outbox) override;
  // The same for a caller that has parsed already: HTTP decides its status from the message.
  void receive(const jsonrpc::Incoming& incoming, jsonrpc::Outbox& outbox);

  bool drain(std::chrono::milliseconds wait_max) override;
  void cancel_all() override;

  // The negotiated revision; nullopt before `initialize`.
  std::optional<protocol::Revision> revision() const;

 private:
  class BatchOutbox;
  class CallTask;
  class BatchTask;

  void receive_message(const jsonrpc::Message& message, jsonrpc::Outbox& outbox);
  void receive_batch(const jsonrpc::Batch& batch, jsonrpc::Outbox& outbox);
  void receive_notification(const jsonrpc::Notification& notification);
  std::string answer(const jsonrpc::Request& request);
  std::string answer_initialize(const jsonrpc::Request& request);
  std::string answer_tools_list(const jsonrpc::Request& request, protocol::Revision revision);
  // The call, entered as in flight; nullptr if it was answered or dropped instead.
  Call* begin_call(const jsonrpc::Request& request, jsonrpc::Outbox& outbox);
  void finish_call(jsonrpc::Id id);
  void log(std::string_view text) const { server_.options().log(text); }

  Server& server_;
  Caller caller_;  // its `client` is written by initialize and constant afterwards; calls begin after it
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::optional<protocol::Revision> revision_;              // guarded by mutex_
  std::map<jsonrpc::Id, std::unique_ptr<Call>> in_flight_;  // guarded by mutex_
};

}  // namespace khipu::mcp::server
