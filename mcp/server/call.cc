#include "mcp/server/call.h"

#include <cmath>
#include <exception>
#include <typeinfo>

#include "mcp/jsonrpc/print.h"
#include "mcp/server/schema.h"
#include "mcp/server/tool_error.h"

namespace khipu::mcp::server {
namespace {

constexpr TimeUs kProgressPauseUs = 100'000;

// Six hex digits: short in every marked value, and the brackets around it are escaped in data anyway.
std::string make_mark_tag(uint64_t random) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string tag;
  for (int digit = 0; digit < 6; ++digit, random >>= 4) tag += kDigits[random & 0xF];
  return tag;
}

}  // namespace

Call::Call(const Server& server, const RegisteredTool& tool, const Caller& caller, protocol::Revision revision,
           jsonrpc::Id id, protocol::CallRequest request, jsonrpc::Outbox& outbox)
    : server_(server),
      tool_(tool),
      caller_(caller),
      revision_(revision),
      id_(std::move(id)),
      request_(std::move(request)),
      outbox_(outbox),
      started_(server.options().steady()),
      mark_tag_(make_mark_tag(server.options().random())) {}

int64_t Call::remaining_ms() const {
  const int64_t spent_ms = (server_.options().steady() - started_) / 1000;
  return std::max<int64_t>(0, server_.options().call_ms_max - spent_ms);
}

void Call::run() {
  if (!stop_.stop_requested()) respond(answer());
  outbox_.done();
}

void Call::refuse_busy() {
  ToolError error;
  error.code = "BUSY";
  error.hint = "Too many calls are waiting for this server.";
  error.retry_after_s = 1;
  respond(print(error_result(error)));
  outbox_.done();
}

void Call::cancel() {
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  stop_.request_stop();
}

void Call::respond(std::string line) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(open_, false)) return;
  outbox_.respond(std::move(line));
}

std::string Call::answer() {
  try {
    ToolResult result = tool_.tool->call(request_.arguments, *this);
    if (server_.options().observer != nullptr) {
      server_.options().observer->finished(*tool_.tool, request_.arguments, *this, result);
    }
    return print(std::move(result));
  } catch (const std::exception& thrown) {
    // Only a library throws. Its words may quote a record, so neither the client nor the log gets them.
    server_.options().log(tool_.definition.name + ": unexpected exception " + typeid(thrown).name());
    return jsonrpc::print_error(id_, jsonrpc::ErrorCode::kInternalError, "the tool failed unexpectedly");
  }
}

std::string Call::print(ToolResult result) const {
  // Some clients hold the structured form of an error to the tool's output schema: then only the text form carries it.
  const auto& schema = tool_.definition.output_schema;
  if (result.is_error && result.structured && schema && find_violation(*schema, *result.structured)) {
    result.structured.reset();
  }
  std::string line = jsonrpc::print_result(id_, protocol::call_result_json(std::move(result), revision_));
  if (line.size() <= server_.options().result_size_bytes_max) return line;
  server_.options().log(tool_.definition.name + ": a result of " + std::to_string(line.size()) + " bytes was refused");
  ToolResult refused;
  refused.text = "RESULT_TOO_LARGE: The answer has " + std::to_string(line.size()) +
                 " bytes. Ask for fewer rows or fields, or a shorter window.";
  refused.is_error = true;
  return jsonrpc::print_result(id_, protocol::call_result_json(std::move(refused), revision_));
}

void Call::progress(const protocol::Progress& progress) {
  if (!request_.progress_token || !std::isfinite(progress.value)) return;
  const std::lock_guard lock(mutex_);
  const TimeUs now = server_.options().steady();
  if (!open_ || (told_at_ && (progress.value <= told_ || now - *told_at_ < kProgressPauseUs))) return;
  told_at_ = now;
  told_ = progress.value;
  outbox_.notify(jsonrpc::print_notification("notifications/progress",
                                             protocol::progress_json(*request_.progress_token, progress, revision_)));
}

void Call::log(protocol::LogLevel level, OrderedJson data) {
  if (!server_.options().logging) return;
  const std::lock_guard lock(mutex_);
  if (!open_) return;
  outbox_.notify(
      jsonrpc::print_notification("notifications/message", protocol::log_message_json(level, std::move(data))));
}

}  // namespace khipu::mcp::server
