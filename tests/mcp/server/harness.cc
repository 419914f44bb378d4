#include "tests/mcp/server/harness.h"

#include <stdexcept>

#include "tests/support/catch.h"

namespace khipu::tests {

using mcp::Json;
using mcp::OrderedJson;
using mcp::server::CallContext;
using mcp::server::ToolResult;

void MemoryOutbox::add(std::vector<std::string>& kind, std::string line) {
  const std::lock_guard lock(mutex_);
  kind.push_back(line);
  lines_.push_back(std::move(line));
  changed_.notify_all();
}

void MemoryOutbox::done() {
  const std::lock_guard lock(mutex_);
  ++done_count_;
  changed_.notify_all();
}

std::vector<Json> MemoryOutbox::wait_for_responses(size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return responses_.size() >= count; });
  lock.unlock();
  return responses();
}

void MemoryOutbox::wait_for_done(size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_count_ >= count; });
}

static std::vector<Json> parsed(const std::vector<std::string>& lines) {
  std::vector<Json> values;
  for (const std::string& line : lines) values.push_back(Json::parse(line));
  return values;
}

std::vector<Json> MemoryOutbox::responses() const {
  const std::lock_guard lock(mutex_);
  return parsed(responses_);
}

std::vector<Json> MemoryOutbox::notifications() const {
  const std::lock_guard lock(mutex_);
  return parsed(notifications_);
}

std::vector<std::string> MemoryOutbox::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

FunctionTool::FunctionTool(std::string name, Function function) : function_(std::move(function)) {
  info_.name = std::move(name);
  info_.title = "A tool for tests";
  info_.description = "Does what its test says.";
  info_.input_schema = R"({"type":"object","properties":{"text":{"type":"string"}},"additionalProperties":false})";
}

std::unique_ptr<mcp::server::Tool> Gate::tool(std::string name) {
  return std::make_unique<FunctionTool>(std::move(name),
                                        [this](const Json&, CallContext& context) { return pass(context); });
}

ToolResult Gate::pass(CallContext& context) {
  std::unique_lock lock(mutex_);
  ++entered_count_;
  changed_.notify_all();
  changed_.wait(lock, context.stop(), [this] { return is_open_; });
  if (!is_open_) ++stopped_count_;
  ToolResult result;
  result.text = "passed";
  return result;
}

void Gate::wait_until_entered(size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return entered_count_ >= count; });
}

void Gate::open() {
  const std::lock_guard lock(mutex_);
  is_open_ = true;
  changed_.notify_all();
}

size_t Gate::stopped_count() {
  const std::lock_guard lock(mutex_);
  return stopped_count_;
}

Harness::Harness() : outbox(std::make_unique<MemoryOutbox>()) {
  options.info = {"khipu", "0.1.0", "Khipu", "", ""};
  options.instructions = "Start with audit_describe.";
  options.now = [] { return TimeUs{1'780'000'000'000'000}; };
  options.steady = [this] { return TimeUs{steady_us}; };
  options.random = [] { return uint64_t{0x123456789ABCDEF0}; };
  options.log = [this](std::string_view text) {
    const std::lock_guard lock(log_mutex_);
    log_.emplace_back(text);
  };
  add(std::make_unique<FunctionTool>("echo", [](const Json& arguments, CallContext&) {
    ToolResult result;
    result.text = arguments.dump();
    result.structured = OrderedJson(arguments);
    return result;
  }));
  add(std::make_unique<FunctionTool>(
      "fail", [](const Json&, CallContext&) -> ToolResult { throw std::runtime_error("a record's words"); }));
}

void Harness::start() {
  auto created = mcp::server::Server::create(options, {std::move(tools), std::move(prompts), std::move(resources)});
  INFO((created.ok() ? "" : created.error().message));
  REQUIRE(created.ok());
  server = std::move(created).value();
  session = std::make_unique<mcp::server::Conversation>(*server, mcp::server::Caller{"uid:1000", {"query"}, ""});
}

void Harness::initialize(const std::string& revision) {
  start();
  send(initialize_request(revision));
  send(notification("notifications/initialized"));
  REQUIRE(outbox->responses().size() == 1);
  REQUIRE(outbox->responses()[0]["result"]["protocolVersion"] == revision);
  outbox = std::make_unique<MemoryOutbox>();
}

void Harness::call(const Json& id, const std::string& tool, const Json& arguments) {
  send(request(id, "tools/call", {{"name", tool}, {"arguments", arguments}}));
}

std::vector<std::string> Harness::logged() const {
  const std::lock_guard lock(log_mutex_);
  return log_;
}

Json request(const Json& id, const std::string& method, const Json& params) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
}

Json notification(const std::string& method, const Json& params) {
  return {{"jsonrpc", "2.0"}, {"method", method}, {"params", params}};
}

Json initialize_request(const std::string& revision) {
  return request("init", "initialize",
                 {{"protocolVersion", revision},
                  {"capabilities", Json::object()},
                  {"clientInfo", {{"name", "test-host"}, {"version", "9"}}}});
}

}  // namespace khipu::tests
