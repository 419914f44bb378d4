#include "mcp/server/conversation.h"

#include "mcp/jsonrpc/parse.h"
#include "mcp/jsonrpc/print.h"

namespace khipu::mcp::server {
namespace {

using jsonrpc::ErrorCode;

bool is_modern_only(const std::string& method) {
  return method == "server/discover" || method == "subscriptions/listen";
}

}  // namespace

Conversation::Conversation(Server& server, Caller caller)
    : caller_(std::move(caller)), session_(server, caller_), modern_(server, false) {}

bool Conversation::drain(std::chrono::milliseconds wait_max) {
  const auto deadline = std::chrono::steady_clock::now() + wait_max;
  if (!session_.drain(wait_max)) return false;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  if (!modern_.drain(std::max(left, std::chrono::milliseconds(0)))) return false;
  modern_.end_subscriptions();
  return true;
}

void Conversation::cancel_all() {
  session_.cancel_all();
  modern_.cancel_all();
}

void Conversation::attach(jsonrpc::Outbox& outbox) {
  const std::lock_guard lock(mutex_);
  if (stream_ == &outbox) return;
  if (stream_ != nullptr) session_.detach(*stream_);
  session_.attach(outbox);
  stream_ = &outbox;
}

void Conversation::receive(std::string_view line, jsonrpc::Outbox& outbox, Stay stay) {
  attach(outbox);
  jsonrpc::Incoming incoming = jsonrpc::parse(line);
  auto* message = std::get_if<jsonrpc::Message>(&incoming);
  if (message != nullptr) {
    if (auto* request = std::get_if<jsonrpc::Request>(message)) {
      return receive_request(std::move(*request), outbox, stay);
    }
    if (const auto* notification = std::get_if<jsonrpc::Notification>(message)) {
      const bool cancels = notification->method == "notifications/cancelled";
      const auto id = cancels ? protocol::parse_cancelled(notification->params) : std::nullopt;
      if (id) modern_.cancel(*id);
    }
  }
  session_.receive(std::move(incoming), outbox);
}

void Conversation::receive_request(jsonrpc::Request request, jsonrpc::Outbox& outbox, Stay stay) {
  const bool claims = protocol::claims_modern(request.params);
  const bool is_legacy = session_.revision().has_value();
  bool is_modern = false;
  {
    const std::lock_guard lock(mutex_);
    if (claims && !is_legacy && request.method != "server/discover" && request.method != "initialize")
      is_modern_ = true;
    is_modern = is_modern_;
  }
  if (request.method == "initialize" && !is_legacy && is_modern) {
    Failure failure{ErrorCode::kUnsupportedProtocolVersion, "this process speaks the modern revision"};
    const auto asked = request.params.find("protocolVersion");
    failure.data = protocol::unsupported_version_data(
        asked != request.params.end() && asked->is_string() ? asked->get<std::string>() : "");
    refuse(outbox, request.id, failure);
    return outbox.done();
  }
  if (request.method == "initialize" && !is_modern) return session_.receive_request(std::move(request), outbox);
  // A stray modern request within a legacy session is served as what it is, and changes nothing.
  if (claims) return modern_.receive(caller_, std::move(request), nullptr, outbox, stay);
  if (is_modern || is_modern_only(request.method)) {
    // Nothing says which revision this is; the answer names what is missing.
    const Result<protocol::Envelope> envelope = protocol::parse_envelope(request.params);
    refuse(outbox, request.id, {ErrorCode::kInvalidParams, envelope.error().message});
    return outbox.done();
  }
  session_.receive_request(std::move(request), outbox, stay);
}

}  // namespace khipu::mcp::server
