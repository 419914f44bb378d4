// One request from its arrival to its answer: cancellation, progress, questions to the client, deadline, and the size
// of the answer. The same for every method and both eras.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "mcp/jsonrpc/channel.h"
#include "mcp/jsonrpc/message.h"
#include "mcp/server/methods.h"
#include "mcp/server/peer.h"

namespace khipu::mcp::server {

// How a legacy call asks its client: requests of ours on the stream of the call. A modern one never does.
class Asker {
 public:
  virtual ~Asker() = default;
  // Sends all of them and waits for all answers. kInvalid: the client answered with an error; kCancelled: the call was
  // stopped; kBusy: no answer within the time.
  virtual Result<protocol::InputResponses> ask(const std::map<std::string, protocol::InputRequest>& requests,
                                               const std::function<void(std::string)>& send, std::stop_token stop,
                                               int64_t wait_ms_max) = 0;
};

// Owned until finished by whoever began it. run() is called once, by one thread; cancel() from any.
// After cancel() nothing is sent for this call, not even progress.
class Call final : public CallContext {
 public:
  // `asker`: nullptr where the client cannot be asked.
  Call(const Server& server, Peer peer, jsonrpc::Request request, jsonrpc::Outbox& outbox, Asker* asker = nullptr);

  // Performs the method and answers, unless cancelled before or meanwhile. `before_answer`: called before anything of
  // the answer leaves.
  void run(const std::function<void()>& before_answer = [] {});
  // Answers instead of running: no worker is free.
  void refuse_busy(const std::function<void()>& before_answer = [] {});
  void cancel();
  // The same, but the request is answered with this once the work has stopped, unless it was answered before.
  void end(Failure failure);
  const jsonrpc::Id& id() const { return request_.id; }

  const Caller& caller() const override { return *peer_.caller; }
  protocol::Revision revision() const override { return peer_.revision; }
  std::stop_token stop() const override { return stop_.get_token(); }
  TimeUs now() const override { return server_.options().now(); }
  int64_t remaining_ms() const override;
  const std::string& mark_tag() const override;
  void progress(const protocol::Progress& progress) override;
  void log(protocol::LogLevel level, OrderedJson data) override;
  void tell_operator(const std::string& text) override { server_.tell_operator(text); }
  const protocol::ClientCapabilities& client() const override { return peer_.client; }
  const protocol::InputResponses& input() const override { return input_; }
  const std::string& state() const override { return state_; }

 private:
  Reply reply();
  std::optional<Reply> take_answers();
  Reply require_input(const protocol::InputRequired& required);
  std::optional<Reply> ask_legacy(const protocol::InputRequired& required);
  void send(Reply& reply);
  void leave();  // nothing more comes
  std::string print(Reply& reply) const;

  const Server& server_;
  const Peer peer_;
  const jsonrpc::Request request_;
  jsonrpc::Outbox& outbox_;
  Asker* const asker_;
  const std::optional<jsonrpc::Id> progress_token_;
  const TimeUs started_;
  mutable std::string mark_tag_;  // made when a handler asks for it, by the thread of run()
  protocol::InputResponses input_;
  std::string state_;
  std::stop_source stop_;

  std::mutex mutex_;               // held while sending: a cancelled call is silent once cancel() returned
  bool open_ = true;               // guarded by mutex_, as are the next two; false: answered or cancelled
  std::optional<TimeUs> told_at_;  // when progress was last sent
  double told_ = 0;
  std::optional<Failure> end_;  // what is still to be sent instead of an answer; guarded too
};

}  // namespace khipu::mcp::server
