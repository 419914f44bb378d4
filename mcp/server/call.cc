#include "mcp/server/call.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <typeinfo>

#include "mcp/jsonrpc/print.h"
#include "mcp/protocol/modern.h"
#include "mcp/server/request_state.h"

namespace khipu::mcp::server {
namespace {

using jsonrpc::ErrorCode;

constexpr TimeUs kProgressPauseUs = 100'000;
constexpr int kLegacyRoundsMax = 8;  // a handler that asks for ever is cut

// Six hex digits: short in every marked value, and the brackets around it are escaped in data anyway.
std::string make_mark_tag(uint64_t random) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string tag;
  for (int digit = 0; digit < 6; ++digit, random >>= 4) tag += kDigits[random & 0xF];
  return tag;
}

}  // namespace

Call::Call(const Server& server, Peer peer, jsonrpc::Request request, jsonrpc::Outbox& outbox, Asker* asker)
    : server_(server),
      peer_(std::move(peer)),
      request_(std::move(request)),
      outbox_(outbox),
      asker_(asker),
      progress_token_(protocol::parse_progress_token(request_.params)),
      started_(server.options().steady()) {}

const std::string& Call::mark_tag() const {
  if (mark_tag_.empty()) mark_tag_ = make_mark_tag(server_.options().random());
  return mark_tag_;
}

int64_t Call::remaining_ms() const {
  const int64_t spent_ms = (server_.options().steady() - started_) / 1000;
  return std::max<int64_t>(0, server_.options().call_ms_max - spent_ms);
}

void Call::run(const std::function<void()>& before_answer) {
  if (stop_.stop_requested()) {
    before_answer();
  } else {
    Reply answer = reply();
    before_answer();
    send(answer);
  }
  leave();
}

void Call::refuse_busy(const std::function<void()>& before_answer) {
  before_answer();
  Reply busy = refusal(request_.method, "BUSY", "Too many calls are waiting for this server.", 1);
  send(busy);
  leave();
}

void Call::cancel() {
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  stop_.request_stop();
}

void Call::end(Failure failure) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(open_, false)) end_ = std::move(failure);
  }
  stop_.request_stop();
}

void Call::leave() {
  std::optional<Failure> end;
  {
    const std::lock_guard lock(mutex_);
    end = std::exchange(end_, std::nullopt);
  }
  if (end) {
    outbox_.refuse(end->http_status, jsonrpc::print_error(request_.id, end->code, end->message, end->data));
  }
  outbox_.done();
}

Reply Call::reply() {
  try {
    if (auto refused = take_answers()) return *std::move(refused);
    Reply reply = perform(server_, request_.method, request_.params, *this);
    if (!reply.input_required) return reply;
    if (protocol::is_modern(peer_.revision)) return require_input(*reply.input_required);
    for (int round = 0; reply.input_required; ++round) {
      if (round == kLegacyRoundsMax) {
        return refusal(request_.method, "INPUT_REFUSED", "Asked too often.", 0);
      }
      if (auto refused = ask_legacy(*reply.input_required)) return *std::move(refused);
      reply = perform(server_, request_.method, request_.params, *this);
    }
    return reply;
  } catch (const std::exception& thrown) {
    // Only a library throws. Its words may quote a record, so neither the client nor the log gets them.
    server_.options().log(request_.method + ": unexpected exception " + typeid(thrown).name());
    return failed(ErrorCode::kInternalError, request_.method + " failed unexpectedly");
  }
}

// A modern request may be the second round of an earlier one.
std::optional<Reply> Call::take_answers() {
  if (!protocol::is_modern(peer_.revision) || !may_ask(request_.method)) return std::nullopt;
  Result<protocol::InputResponses> responses = protocol::parse_input_responses(request_.params);
  if (!responses.ok()) return failed(ErrorCode::kInvalidParams, responses.error().message);
  input_ = std::move(responses).value();
  const auto state = request_.params.find("requestState");
  if (state == request_.params.end()) return std::nullopt;
  if (!state->is_string()) return failed(ErrorCode::kInvalidParams, "params.requestState must be a string");
  Result<std::string> opened = open_state(server_.options().state_key,
                                          state_binding(peer_.caller->authority(), request_.method, request_.params),
                                          state->get_ref<const std::string&>(), now());
  if (!opened.ok()) return failed(ErrorCode::kInvalidParams, opened.error().message);
  state_ = std::move(opened).value();
  return std::nullopt;
}

Reply Call::require_input(const protocol::InputRequired& required) {
  std::map<std::string, protocol::InputRequest> undeclared;
  for (const auto& [key, request] : required.requests) {
    if (!protocol::can_ask(peer_.client, request)) undeclared.emplace(key, request);
  }
  if (!undeclared.empty()) {
    Reply reply =
        failed(ErrorCode::kMissingClientCapability, "the request needs a capability the client did not declare");
    reply.failure->data["requiredCapabilities"] = protocol::required_capabilities(undeclared);
    reply.failure->http_status = 400;
    return reply;
  }
  std::string state;
  if (!required.state.empty()) {
    state = seal_state(server_.options().state_key,
                       state_binding(peer_.caller->authority(), request_.method, request_.params), required.state,
                       now() + server_.options().state_ttl_ms * 1000);
  }
  return {protocol::input_required_json(required, state), {}, {}, {}};
}

std::optional<Reply> Call::ask_legacy(const protocol::InputRequired& required) {
  for (const auto& [key, request] : required.requests) {
    if (asker_ != nullptr && outbox_.takes_stream() && protocol::can_ask(peer_.client, request)) continue;
    return refusal(request_.method, "CLIENT_CAPABILITY_MISSING",
                   "This needs a client that answers " + std::string(protocol::input_method(request.kind)) + ".", 0);
  }
  const auto send = [this](std::string line) {
    const std::lock_guard lock(mutex_);
    if (open_) outbox_.notify(std::move(line));
  };
  Result<protocol::InputResponses> answers = protocol::InputResponses{};
  if (!required.requests.empty()) answers = asker_->ask(required.requests, send, stop(), remaining_ms());
  if (!answers.ok()) return refusal(request_.method, "INPUT_REFUSED", answers.error().message, 0);
  input_ = std::move(answers).value();
  state_ = required.state;
  return std::nullopt;
}

void Call::send(Reply& reply) {
  std::string line = print(reply);
  if (line.size() > server_.options().result_size_bytes_max) {
    server_.options().log(request_.method + ": a result of " + std::to_string(line.size()) + " bytes was refused");
    reply = refusal(request_.method, "RESULT_TOO_LARGE",
                    "The answer has " + std::to_string(line.size()) +
                        " bytes. Ask for fewer rows or fields, a shorter window, or with fewer values.",
                    0);
    line = print(reply);
  }
  const std::lock_guard lock(mutex_);
  if (!std::exchange(open_, false)) return;
  if (reply.failure && reply.failure->http_status != 0) {
    outbox_.refuse(reply.failure->http_status, std::move(line));
  } else {
    outbox_.respond(std::move(line));
  }
}

std::string Call::print(Reply& reply) const {
  if (reply.failure) {
    return jsonrpc::print_error(request_.id, reply.failure->code, reply.failure->message, reply.failure->data);
  }
  if (reply.call_result) {
    std::string line = jsonrpc::open_result(request_.id);
    protocol::append_call_result(line, *reply.call_result, peer_.revision, server_.options().info);
    line += '}';
    return line;
  }
  if (protocol::is_modern(peer_.revision)) {
    reply.result = protocol::modern_result(std::move(reply.result), server_.options().info);
    if (reply.cache) protocol::add_cache_hints(reply.result, *reply.cache);
  }
  return jsonrpc::print_result(request_.id, reply.result);
}

void Call::progress(const protocol::Progress& progress) {
  if (!progress_token_ || !std::isfinite(progress.value)) return;
  const std::lock_guard lock(mutex_);
  const TimeUs now = server_.options().steady();
  if (!open_ || (told_at_ && (progress.value <= told_ || now - *told_at_ < kProgressPauseUs))) return;
  told_at_ = now;
  told_ = progress.value;
  outbox_.notify(jsonrpc::print_notification("notifications/progress",
                                             protocol::progress_json(*progress_token_, progress, peer_.revision)));
}

void Call::log(protocol::LogLevel level, OrderedJson data) {
  if (!server_.options().logging || !peer_.log_level || level < *peer_.log_level) return;
  const std::lock_guard lock(mutex_);
  if (!open_) return;
  outbox_.notify(
      jsonrpc::print_notification("notifications/message", protocol::log_message_json(level, std::move(data))));
}

}  // namespace khipu::mcp::server
