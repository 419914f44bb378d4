#include "mcp/server/session.h"

#include "mcp/jsonrpc/parse.h"
#include "mcp/jsonrpc/print.h"
#include "mcp/protocol/lifecycle.h"
#include "mcp/server/call.h"
#include "mcp/server/lint.h"
#include "mcp/server/worker_pool.h"

namespace khipu::mcp::server {
namespace {

using jsonrpc::ErrorCode;
using jsonrpc::print_error;

constexpr size_t kMethodSizeMax = 64;
constexpr size_t kClientSizeMax = 128;

// A client's word inside one of our sentences: only if it is a plain name, as its other bytes could be anything.
std::string plain_name(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) c = c == '/' ? '.' : c;
  return is_name(plain, kMethodSizeMax) ? " " + std::string(text) : "";
}

bool is_known_method(std::string_view method) {
  return method == "initialize" || method == "ping" || method == "tools/list" || method == "tools/call";
}

std::string not_initialized_text() {
  std::string text = "send initialize first; this server speaks";
  for (const protocol::Revision revision : protocol::kLegacyRevisions) {
    text += (revision == protocol::kLegacyRevisions.front() ? " " : ", ") + std::string(revision_name(revision));
  }
  return text;
}

}  // namespace

// Collects the responses of a batch into one array; notifications pass through. Used by one thread at a time.
class Session::BatchOutbox final : public jsonrpc::Outbox {
 public:
  explicit BatchOutbox(jsonrpc::Outbox& outbox) : outbox_(outbox) {}
  void notify(std::string line) override { outbox_.notify(std::move(line)); }
  void respond(std::string line) override { responses_ += (responses_.empty() ? "[" : ",") + line; }
  void finish() {
    if (!responses_.empty()) outbox_.respond(responses_ + "]");
    outbox_.done();
  }

 private:
  jsonrpc::Outbox& outbox_;
  std::string responses_;
};

class Session::CallTask final : public Task {
 public:
  CallTask(Session& session, Call& call) : session_(session), call_(call) {}
  void run() override {
    call_.run();
    session_.finish_call(call_.id());
  }
  void refuse() override {
    call_.refuse_busy();
    session_.finish_call(call_.id());
  }

 private:
  Session& session_;
  Call& call_;
};

// The calls of a batch, one after another: batches are a relic of one revision, not worth a scheduler.
class Session::BatchTask final : public Task {
 public:
  BatchTask(Session& session, std::unique_ptr<BatchOutbox> outbox, std::vector<Call*> calls)
      : session_(session), outbox_(std::move(outbox)), calls_(std::move(calls)) {}
  void run() override {
    for (Call* call : calls_) call->run();
    finish();
  }
  void refuse() override {
    for (Call* call : calls_) call->refuse_busy();
    finish();
  }

 private:
  // The array leaves before the last call counts as finished: drain() waits for answers, not for tools.
  void finish() {
    outbox_->finish();
    for (Call* call : calls_) session_.finish_call(call->id());
  }

  Session& session_;
  std::unique_ptr<BatchOutbox> outbox_;
  std::vector<Call*> calls_;
};

Session::Session(Server& server, Caller caller) : server_(server), caller_(std::move(caller)) {}

Session::~Session() {
  cancel_all();
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return in_flight_.empty(); });
}

std::optional<protocol::Revision> Session::revision() const {
  const std::lock_guard lock(mutex_);
  return revision_;
}

bool Session::drain(std::chrono::milliseconds wait_max) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, wait_max, [this] { return in_flight_.empty(); });
}

void Session::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, call] : in_flight_) call->cancel();
}

void Session::receive(std::string_view line, jsonrpc::Outbox& outbox) { receive(jsonrpc::parse(line), outbox); }

void Session::receive(const jsonrpc::Incoming& incoming, jsonrpc::Outbox& outbox) {
  if (const auto* batch = std::get_if<jsonrpc::Batch>(&incoming)) return receive_batch(*batch, outbox);
  receive_message(std::get<jsonrpc::Message>(incoming), outbox);
}

void Session::receive_message(const jsonrpc::Message& message, jsonrpc::Outbox& outbox) {
  if (const auto* request = std::get_if<jsonrpc::Request>(&message)) {
    if (request->method != "tools/call" || !revision()) {
      outbox.respond(answer(*request));
      return outbox.done();
    }
    Call* call = begin_call(*request, outbox);
    if (call == nullptr) return outbox.done();
    return server_.workers().submit(std::make_unique<CallTask>(*this, *call));
  }
  if (const auto* notification = std::get_if<jsonrpc::Notification>(&message)) {
    receive_notification(*notification);
  } else if (const auto* invalid = std::get_if<jsonrpc::Invalid>(&message)) {
    // Hosts choke on `id: null`, and an error without an id reaches no request: such a message is only logged.
    if (invalid->id) {
      outbox.respond(print_error(invalid->id, invalid->code, invalid->message));
    } else {
      log("refused a message: " + invalid->message);
    }
  } else {
    log("ignored a response: this server sends no requests");
  }
  outbox.done();
}

void Session::receive_batch(const jsonrpc::Batch& batch, jsonrpc::Outbox& outbox) {
  const std::optional<protocol::Revision> revision = this->revision();
  const bool is_taken = revision && protocol::has_batches(*revision);
  if (!is_taken) log("refused a batch: this revision has none");
  auto collected = std::make_unique<BatchOutbox>(outbox);
  std::vector<Call*> calls;
  for (const jsonrpc::Message& message : batch.messages) {
    const auto* request = std::get_if<jsonrpc::Request>(&message);
    if (!is_taken) {
      // Each request is told by its own id: an error for the array as a whole would have none.
      if (request == nullptr) continue;
      outbox.respond(print_error(request->id, ErrorCode::kInvalidRequest, "this revision has no batches"));
    } else if (request == nullptr) {
      receive_message(message, *collected);
    } else if (request->method == "tools/call") {
      if (Call* call = begin_call(*request, *collected)) calls.push_back(call);
    } else {
      collected->respond(answer(*request));  // initialize is refused in here, as it is whenever it comes again
    }
  }
  if (!is_taken) return outbox.done();
  if (calls.empty()) return collected->finish();
  server_.workers().submit(std::make_unique<BatchTask>(*this, std::move(collected), std::move(calls)));
}

void Session::receive_notification(const jsonrpc::Notification& notification) {
  // notifications/initialized changes nothing: requests are served from the initialize response on.
  if (notification.method != "notifications/cancelled") return;
  const std::optional<jsonrpc::Id> id = protocol::parse_cancelled(notification.params);
  if (!id) return;
  const std::lock_guard lock(mutex_);
  if (const auto found = in_flight_.find(*id); found != in_flight_.end()) found->second->cancel();
}

std::string Session::answer(const jsonrpc::Request& request) {
  if (!is_known_method(request.method)) {
    return print_error(request.id, ErrorCode::kMethodNotFound, "unknown method" + plain_name(request.method));
  }
  if (request.method == "ping") return print_result(request.id, OrderedJson::object());
  if (request.method == "initialize") return answer_initialize(request);
  const std::optional<protocol::Revision> revision = this->revision();
  if (!revision) return print_error(request.id, ErrorCode::kInvalidRequest, not_initialized_text());
  return answer_tools_list(request, *revision);
}

std::string Session::answer_initialize(const jsonrpc::Request& request) {
  const Result<protocol::InitializeRequest> parsed = protocol::parse_initialize(request.params);
  if (!parsed.ok()) return print_error(request.id, ErrorCode::kInvalidParams, parsed.error().message);
  const std::lock_guard lock(mutex_);
  if (revision_) return print_error(request.id, ErrorCode::kInvalidRequest, "initialize was answered before");
  revision_ = parsed->revision;
  caller_.client = (parsed->client.name + " " + parsed->client.version).substr(0, kClientSizeMax);
  const Options& options = server_.options();
  return print_result(request.id, protocol::initialize_result(*revision_, options.info, options.instructions));
}

std::string Session::answer_tools_list(const jsonrpc::Request& request, protocol::Revision revision) {
  const auto cursor = request.params.find("cursor");
  if (cursor != request.params.end() && !cursor->is_null()) {
    return print_error(request.id, ErrorCode::kInvalidParams, "unknown cursor: the list of tools has one page");
  }
  OrderedJson tools = OrderedJson::array();
  for (const RegisteredTool& tool : server_.tools()) {
    tools.push_back(protocol::tool_definition_json(tool.definition, revision));
  }
  OrderedJson result;
  result["tools"] = std::move(tools);
  return print_result(request.id, std::move(result));
}

Call* Session::begin_call(const jsonrpc::Request& request, jsonrpc::Outbox& outbox) {
  Result<protocol::CallRequest> parsed = protocol::parse_call(request.params);
  if (!parsed.ok()) {
    outbox.respond(print_error(request.id, ErrorCode::kInvalidParams, parsed.error().message));
    return nullptr;
  }
  const RegisteredTool* tool = server_.find(parsed->name);
  if (tool == nullptr) {
    outbox.respond(print_error(request.id, ErrorCode::kInvalidParams,
                               "unknown tool" + plain_name(parsed->name) + "; tools/list names them all"));
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  if (in_flight_.contains(request.id)) {
    // Two answers with one id make hosts close the connection: the first request with it gets the only one.
    log("dropped a request: its id is in flight");
    return nullptr;
  }
  auto call = std::make_unique<Call>(server_, *tool, caller_, *revision_, request.id, *std::move(parsed), outbox);
  return in_flight_.emplace(request.id, std::move(call)).first->second.get();
}

void Session::finish_call(jsonrpc::Id id) {
  const std::lock_guard lock(mutex_);
  in_flight_.erase(id);
  idle_.notify_all();
}

}  // namespace khipu::mcp::server
