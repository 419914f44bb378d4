// One client's conversation, legacy eras: the handshake, dispatch of each message, the calls in flight, what it
// follows, and the questions it was asked. stdio has one for the life of the process; HTTP has one for each
// Mcp-Session-Id.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "mcp/jsonrpc/channel.h"
#include "mcp/jsonrpc/message.h"
#include "mcp/server/in_flight.h"
#include "mcp/server/server.h"

namespace khipu::mcp::server {

// Thread-safe. Quick methods are answered on the thread that calls receive(); the others run on the server's workers,
// so that ping and cancellation are answered during a long call, or on that thread too if it may be kept. The
// destructor cancels and waits for the calls in flight.
class Session final : public ChangeListener, private Asker {
 public:
  Session(Server& server, Caller caller);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void receive(jsonrpc::Incoming incoming, jsonrpc::Outbox& outbox, Stay stay = Stay::kNo);
  void receive_request(jsonrpc::Request request, jsonrpc::Outbox& outbox, Stay stay = Stay::kNo);

  // Where what belongs to no request goes: the newest that is attached. Detach before the outbox is gone.
  void attach(jsonrpc::Outbox& outbox);
  void detach(jsonrpc::Outbox& outbox);

  bool drain(std::chrono::milliseconds wait_max) { return in_flight_.drain(wait_max); }
  void cancel_all() { in_flight_.cancel_all(); }
  // The client, or the time, has ended it: whoever waits for an answer is told.
  void end();

  // The negotiated revision; nullopt before `initialize`.
  std::optional<protocol::Revision> revision() const { return revision_; }
  // Whether it waits for the answer to a request of ours with this id.
  bool awaits(const jsonrpc::Response& response) const;

  void changed(const Change& change) override;

 private:
  class BatchOutbox;
  class CallTask;
  class BatchTask;
  struct Question;

  void receive_message(jsonrpc::Message message, jsonrpc::Outbox& outbox, Stay stay);
  void receive_batch(const jsonrpc::Batch& batch, jsonrpc::Outbox& outbox);
  void refuse_batch(const jsonrpc::Invalid& batch, jsonrpc::Outbox& outbox);  // one that is too long
  void receive_notification(const jsonrpc::Notification& notification);
  void receive_response(const jsonrpc::Response& response);
  // What needs no call: the handshake, errors, and what is only known here. nullopt: a call.
  std::optional<std::string> answer(const jsonrpc::Request& request);
  std::string answer_initialize(const jsonrpc::Request& request);
  std::string answer_set_level(const jsonrpc::Request& request);
  std::string answer_subscribe(const jsonrpc::Request& request);
  // The call, entered as in flight; nullptr if its id is in flight already, which is told where answers stand apart.
  Call* begin_call(jsonrpc::Request request, jsonrpc::Outbox& outbox);
  Peer peer() const;
  Result<protocol::InputResponses> ask(const std::map<std::string, protocol::InputRequest>& requests,
                                       const std::function<void(std::string)>& send, std::stop_token stop,
                                       int64_t wait_ms_max) override;
  void log(std::string_view text) const { server_.options().log(text); }

  Server& server_;
  std::atomic<std::optional<protocol::Revision>> revision_{};  // written once, with mutex_ held
  mutable std::mutex mutex_;                                   // guards everything below but in_flight_
  Peer peer_;
  std::set<std::string> subscribed_;
  std::vector<jsonrpc::Outbox*> streams_;  // in the order they were attached
  std::map<jsonrpc::Id, Question*> questions_;
  int64_t last_question_ = 0;
  std::condition_variable_any answered_;
  InFlight in_flight_;  // last: gone before what its calls use
};

}  // namespace khipu::mcp::server
