// A server with tools made for tests, and an outbox that remembers. Time and randomness stand still unless told to
// move.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mcp/jsonrpc/channel.h"
#include "mcp/server/conversation.h"
#include "mcp/server/server.h"

namespace khipu::tests {

// Keeps every line. Waiting is for other threads to get there, never for time to pass.
class MemoryOutbox final : public mcp::jsonrpc::Outbox {
 public:
  void notify(std::string line) override { add(notifications_, std::move(line)); }
  void respond(std::string line) override { add(responses_, std::move(line)); }
  void done() override;

  // Blocks until so many responses (or calls of done()) were seen, then returns the responses so far.
  std::vector<mcp::Json> wait_for_responses(size_t count);
  void wait_for_done(size_t count);
  std::vector<mcp::Json> responses() const;
  std::vector<mcp::Json> notifications() const;
  std::vector<std::string> lines() const;  // all of them, in order

 private:
  void add(std::vector<std::string>& kind, std::string line);
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> responses_;
  std::vector<std::string> notifications_;
  std::vector<std::string> lines_;
  size_t done_count_ = 0;
};

// A tool whose call is a function of the test.
class FunctionTool final : public mcp::server::Tool {
 public:
  using Function = std::function<mcp::server::ToolResult(const mcp::Json&, mcp::server::CallContext&)>;
  FunctionTool(std::string name, Function function);
  const mcp::server::ToolInfo& info() const override { return info_; }
  mcp::server::ToolInfo& info() { return info_; }
  mcp::server::ToolResult call(const mcp::Json& arguments, mcp::server::CallContext& context) override {
    return function_(arguments, context);
  }

 private:
  mcp::server::ToolInfo info_;
  Function function_;
};

// A tool that is in a call until it is let go or asked to stop.
class Gate {
 public:
  std::unique_ptr<mcp::server::Tool> tool(std::string name);
  void wait_until_entered(size_t count);  // so many calls have begun
  void open();                            // they, and all later ones, end
  size_t stopped_count();

 private:
  mcp::server::ToolResult pass(mcp::server::CallContext& context);
  std::mutex mutex_;
  std::condition_variable_any changed_;
  size_t entered_count_ = 0;
  size_t stopped_count_ = 0;
  bool is_open_ = false;
};

// Defaults: "echo" answers its arguments, in both forms; "fail" throws; further tools are added before start().
struct Harness {
  Harness();
  void add(std::unique_ptr<mcp::server::Tool> tool) { tools.push_back(std::move(tool)); }
  void start();                                                 // server and session
  void initialize(const std::string& revision = "2025-11-25");  // start() and the handshake; outbox is empty afterwards
  void send(const mcp::Json& message) { session->receive(message.dump(), *outbox); }
  void call(const mcp::Json& id, const std::string& tool, const mcp::Json& arguments = mcp::Json::object());
  std::vector<std::string> logged() const;

  std::atomic<int64_t> steady_us = 0;
  mcp::server::Options options;
  std::vector<std::unique_ptr<mcp::server::Tool>> tools;
  std::vector<std::unique_ptr<mcp::server::Prompt>> prompts;
  std::unique_ptr<mcp::server::ResourceProvider> resources;
  std::unique_ptr<mcp::server::Server> server;
  std::unique_ptr<MemoryOutbox> outbox;
  std::unique_ptr<mcp::server::Conversation> session;  // destroyed first

 private:
  mutable std::mutex log_mutex_;
  std::vector<std::string> log_;
};

mcp::Json request(const mcp::Json& id, const std::string& method, const mcp::Json& params = mcp::Json::object());
mcp::Json notification(const std::string& method, const mcp::Json& params = mcp::Json::object());
mcp::Json initialize_request(const std::string& revision);

}  // namespace khipu::tests
