// One tools/call from its arrival to its answer: cancellation, progress, deadline, and the size of the answer.
#pragma once

#include <mutex>
#include <stop_token>
#include <string>

#include "mcp/jsonrpc/channel.h"
#include "mcp/server/server.h"

namespace khipu::mcp::server {

// Owned by its session until finished. run() is called once, by one worker; cancel() from any thread.
// After cancel() nothing is sent for this call, not even progress.
class Call final : public CallContext {
 public:
  Call(const Server& server, const RegisteredTool& tool, const Caller& caller, protocol::Revision revision,
       jsonrpc::Id id, protocol::CallRequest request, jsonrpc::Outbox& outbox);

  // Runs the tool and answers, unless cancelled before or meanwhile.
  void run();
  // Answers instead of running: no worker is free.
  void refuse_busy();
  void cancel();
  const jsonrpc::Id& id() const { return id_; }

  const Caller& caller() const override { return caller_; }
  protocol::Revision revision() const override { return revision_; }
  std::stop_token stop() const override { return stop_.get_token(); }
  TimeUs now() const override { return server_.options().now(); }
  int64_t remaining_ms() const override;
  const std::string& mark_tag() const override { return mark_tag_; }
  void progress(const protocol::Progress& progress) override;
  void log(protocol::LogLevel level, OrderedJson data) override;
  const protocol::ClientCapabilities& client() const override { return client_; }
  const protocol::InputResponses& input() const override { return input_; }
  const std::string& state() const override { return state_; }

 private:
  std::string answer();
  std::string print(ToolResult result) const;
  void respond(std::string line);

  const Server& server_;
  const RegisteredTool& tool_;
  const Caller& caller_;
  const protocol::Revision revision_;
  const jsonrpc::Id id_;
  const protocol::CallRequest request_;
  jsonrpc::Outbox& outbox_;
  const TimeUs started_;
  const std::string mark_tag_;
  std::stop_source stop_;
  protocol::ClientCapabilities client_;
  protocol::InputResponses input_;
  std::string state_;

  std::mutex mutex_;               // held while sending: a cancelled call is silent once cancel() returned
  bool open_ = true;               // guarded by mutex_, as are the next two; false: answered or cancelled
  std::optional<TimeUs> told_at_;  // when progress was last sent
  double told_ = 0;
};

}  // namespace khipu::mcp::server
