#include "mcp/server/session.h"

#include <algorithm>

#include "mcp/jsonrpc/print.h"
#include "mcp/protocol/lifecycle.h"
#include "mcp/server/worker_pool.h"

namespace khipu::mcp::server {
namespace {

using jsonrpc::ErrorCode;
using jsonrpc::print_error;

constexpr size_t kSubscribedMax = 1000;

std::string not_initialized_text() {
  std::string text = "send initialize first; this server speaks";
  for (const protocol::Revision revision : protocol::kLegacyRevisions) {
    text += (revision == protocol::kLegacyRevisions.front() ? " " : ", ") + std::string(revision_name(revision));
  }
  return text;
}

std::string change_line(const Change& change) {
  switch (change.kind) {
    case Change::Kind::kTools: return "notifications/tools/list_changed";
    case Change::Kind::kPrompts: return "notifications/prompts/list_changed";
    case Change::Kind::kResources: return "notifications/resources/list_changed";
    case Change::Kind::kResource: return "notifications/resources/updated";
  }
  return {};
}

}  // namespace

// Collects the responses of a batch into one array; notifications pass through. Used by one thread at a time.
class Session::BatchOutbox final : public jsonrpc::Outbox {
 public:
  explicit BatchOutbox(jsonrpc::Outbox& outbox) : outbox_(outbox) {}
  void notify(std::string line) override { outbox_.notify(std::move(line)); }
  void respond(std::string line) override { responses_ += (responses_.empty() ? "[" : ",") + line; }
  bool takes_stream() const override { return outbox_.takes_stream(); }
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
    call_.run([this] { session_.in_flight_.release(nullptr, call_); });
    session_.in_flight_.finish(call_);
  }
  void refuse() override {
    call_.refuse_busy([this] { session_.in_flight_.release(nullptr, call_); });
    session_.in_flight_.finish(call_);
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
    for (Call* call : calls_) call->run([&] { session_.in_flight_.release(nullptr, *call); });
    finish();
  }
  void refuse() override {
    for (Call* call : calls_) call->refuse_busy([&] { session_.in_flight_.release(nullptr, *call); });
    finish();
  }

 private:
  // The array leaves before the last call counts as finished: drain() waits for answers, not for tools.
  void finish() {
    outbox_->finish();
    for (Call* call : calls_) session_.in_flight_.finish(*call);
  }

  Session& session_;
  std::unique_ptr<BatchOutbox> outbox_;
  std::vector<Call*> calls_;
};

// A request of ours that the client has not answered yet. Lives in ask(), guarded by the session's mutex.
struct Session::Question {
  std::string key;
  bool is_answered = false;
  std::optional<Json> result;
};

Session::Session(Server& server, Caller caller) : server_(server) {
  peer_.caller = std::make_shared<const Caller>(std::move(caller));
  if (server_.options().changes != nullptr) server_.options().changes->listen(*this);
}

Session::~Session() {
  if (server_.options().changes != nullptr) server_.options().changes->leave(*this);
  in_flight_.cancel_all();
}

void Session::end() {
  constexpr int kNotFound = 404;
  in_flight_.end_all({ErrorCode::kUnknownSession, "the session was ended", nullptr, kNotFound});
}

Peer Session::peer() const {
  const std::lock_guard lock(mutex_);
  return peer_;
}

void Session::attach(jsonrpc::Outbox& outbox) {
  const std::lock_guard lock(mutex_);
  std::erase(streams_, &outbox);
  streams_.push_back(&outbox);
}

void Session::detach(jsonrpc::Outbox& outbox) {
  const std::lock_guard lock(mutex_);
  std::erase(streams_, &outbox);
}

void Session::changed(const Change& change) {
  const std::lock_guard lock(mutex_);
  if (!revision() || streams_.empty()) return;
  OrderedJson params = OrderedJson::object();
  if (change.kind == Change::Kind::kResource) {
    if (!subscribed_.contains(change.uri)) return;
    params["uri"] = change.uri;
  }
  streams_.back()->notify(jsonrpc::print_notification(change_line(change), std::move(params)));
}

void Session::receive(jsonrpc::Incoming incoming, jsonrpc::Outbox& outbox, Stay stay) {
  if (const auto* batch = std::get_if<jsonrpc::Batch>(&incoming)) return receive_batch(*batch, outbox);
  receive_message(std::get<jsonrpc::Message>(std::move(incoming)), outbox, stay);
}

void Session::receive_message(jsonrpc::Message message, jsonrpc::Outbox& outbox, Stay stay) {
  if (auto* request = std::get_if<jsonrpc::Request>(&message)) {
    return receive_request(std::move(*request), outbox, stay);
  }
  if (const auto* notification = std::get_if<jsonrpc::Notification>(&message)) {
    receive_notification(*notification);
  } else if (const auto* invalid = std::get_if<jsonrpc::Invalid>(&message)) {
    // Hosts choke on `id: null`, and an error without an id reaches no request: such a message is only logged.
    if (invalid->id) {
      outbox.respond(print_error(invalid->id, invalid->code, invalid->message));
    } else if (!invalid->batch_ids.empty()) {
      return refuse_batch(*invalid, outbox);
    } else {
      log("refused a message: " + invalid->message);
    }
  } else {
    receive_response(std::get<jsonrpc::Response>(message));
  }
  outbox.done();
}

void Session::receive_request(jsonrpc::Request request, jsonrpc::Outbox& outbox, Stay stay) {
  if (std::optional<std::string> line = answer(request)) {
    outbox.respond(*std::move(line));
    return outbox.done();
  }
  if (is_quick(request.method)) return Call(server_, peer(), std::move(request), outbox).run();
  const bool stays = may_stay(server_, stay, request.method, request.params);
  Call* call = begin_call(std::move(request), outbox);
  if (call == nullptr) return outbox.done();
  if (CallTask task(*this, *call); stays && stay.granted() && server_.workers().try_run_here(task)) return;
  server_.workers().submit(std::make_unique<CallTask>(*this, *call));
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
      receive_message(message, *collected, Stay::kNo);
    } else if (std::optional<std::string> line = answer(*request)) {
      collected->respond(*std::move(line));  // initialize is refused in here, as it is whenever it comes again
    } else if (Call* call = begin_call(*request, *collected)) {
      calls.push_back(call);
    }
  }
  if (!is_taken) return outbox.done();
  if (calls.empty()) return collected->finish();
  server_.workers().submit(std::make_unique<BatchTask>(*this, std::move(collected), std::move(calls)));
}

void Session::refuse_batch(const jsonrpc::Invalid& batch, jsonrpc::Outbox& outbox) {
  const std::optional<protocol::Revision> revision = this->revision();
  const bool as_array = revision && protocol::has_batches(*revision);
  BatchOutbox collected(outbox);
  for (const jsonrpc::Id& id : batch.batch_ids) {
    (as_array ? static_cast<jsonrpc::Outbox&>(collected) : outbox).respond(print_error(id, batch.code, batch.message));
  }
  collected.finish();
}

void Session::receive_notification(const jsonrpc::Notification& notification) {
  // notifications/initialized changes nothing: requests are served from the initialize response on.
  if (notification.method != "notifications/cancelled") return;
  if (const auto id = protocol::parse_cancelled(notification.params)) in_flight_.cancel(nullptr, *id);
}

bool Session::awaits(const jsonrpc::Response& response) const {
  const std::lock_guard lock(mutex_);
  return response.id && questions_.contains(*response.id);
}

void Session::receive_response(const jsonrpc::Response& response) {
  const std::lock_guard lock(mutex_);
  const auto found = response.id ? questions_.find(*response.id) : questions_.end();
  if (found == questions_.end()) return log("ignored a response to nothing this server asked");
  found->second->is_answered = true;
  found->second->result = response.result;
  questions_.erase(found);
  answered_.notify_all();
}

std::optional<std::string> Session::answer(const jsonrpc::Request& request) {
  const std::string_view method = request.method;
  if (method == "ping") return print_result(request.id, OrderedJson::object());
  if (method == "initialize") return answer_initialize(request);
  const protocol::Offer offer = server_.offer();
  const std::optional<protocol::Revision> revision = this->revision();
  const bool is_ours =
      (method == "logging/setLevel" && offer.logging) ||
      ((method == "resources/subscribe" || method == "resources/unsubscribe") && offer.resources_subscribe);
  if (!is_ours && !is_served(server_, method, revision.value_or(protocol::kNewestLegacy))) {
    return print_error(request.id, ErrorCode::kMethodNotFound, "unknown method" + plain_name(method));
  }
  if (!revision) return print_error(request.id, ErrorCode::kInvalidRequest, not_initialized_text());
  if (!is_ours) return std::nullopt;
  return method == "logging/setLevel" ? answer_set_level(request) : answer_subscribe(request);
}

std::string Session::answer_initialize(const jsonrpc::Request& request) {
  const Result<protocol::InitializeRequest> parsed = protocol::parse_initialize(request.params);
  if (!parsed.ok()) return print_error(request.id, ErrorCode::kInvalidParams, parsed.error().message);
  const std::lock_guard lock(mutex_);
  if (revision()) return print_error(request.id, ErrorCode::kInvalidRequest, "initialize was answered before");
  const Options& options = server_.options();
  peer_.revision = parsed->revision;
  peer_.client = parsed->capabilities;
  Caller caller = *peer_.caller;
  caller.client = protocol::short_name(parsed->client);
  peer_.caller = std::make_shared<const Caller>(std::move(caller));
  peer_.log_level = protocol::LogLevel::kInfo;  // until the client sets another
  revision_ = peer_.revision;
  return print_result(request.id,
                      protocol::initialize_result(peer_.revision, options.info, server_.offer(), options.instructions));
}

std::string Session::answer_set_level(const jsonrpc::Request& request) {
  const auto given = request.params.find("level");
  const auto level = given != request.params.end() && given->is_string()
                         ? protocol::log_level_named(given->get_ref<const std::string&>())
                         : std::nullopt;
  if (!level) {
    return print_error(request.id, ErrorCode::kInvalidParams,
                       "params.level must be debug, info, notice, warning, error, critical, alert or emergency");
  }
  const std::lock_guard lock(mutex_);
  peer_.log_level = level;
  return print_result(request.id, OrderedJson::object());
}

std::string Session::answer_subscribe(const jsonrpc::Request& request) {
  const Result<std::string> uri = protocol::parse_uri(request.params);
  if (!uri.ok()) return print_error(request.id, ErrorCode::kInvalidParams, uri.error().message);
  const bool wants = request.method == "resources/subscribe";
  if (wants && !server_.resources()->may_subscribe(*uri, *peer().caller)) {
    return print_error(request.id, ErrorCode::kResourceNotFound, "there is no such resource to follow",
                       {{"uri", *uri}});
  }
  const std::lock_guard lock(mutex_);
  if (!wants) {
    subscribed_.erase(*uri);
  } else if (subscribed_.size() < kSubscribedMax || subscribed_.contains(*uri)) {
    subscribed_.insert(*uri);
  } else {
    return print_error(request.id, ErrorCode::kInvalidParams, "a session follows at most 1000 resources");
  }
  return print_result(request.id, OrderedJson::object());
}

Call* Session::begin_call(jsonrpc::Request request, jsonrpc::Outbox& outbox) {
  auto call = std::make_unique<Call>(server_, peer(), std::move(request), outbox, static_cast<Asker*>(this));
  if (Call* begun = in_flight_.begin(nullptr, call)) return begun;
  const bool is_told = outbox.stands_apart();
  log(is_told ? "refused a request: its id is in flight" : "dropped a request: its id is in flight");
  if (is_told) {
    constexpr int kBadRequest = 400;
    outbox.refuse(kBadRequest,
                  print_error(call->id(), ErrorCode::kInvalidRequest, "a request with this id is in flight"));
  }
  return nullptr;
}

Result<protocol::InputResponses> Session::ask(const std::map<std::string, protocol::InputRequest>& requests,
                                              const std::function<void(std::string)>& send, std::stop_token stop,
                                              int64_t wait_ms_max) {
  std::map<jsonrpc::Id, Question> asked;
  std::vector<std::string> lines;
  std::unique_lock lock(mutex_);
  for (const auto& [key, request] : requests) {
    const jsonrpc::Id id(++last_question_);
    questions_[id] = &asked.emplace(id, Question{key, false, std::nullopt}).first->second;
    lines.push_back(jsonrpc::print_request(id, protocol::input_method(request.kind), request.params));
  }
  lock.unlock();
  for (std::string& line : lines) send(std::move(line));
  lock.lock();
  const auto is_answered = [&] {
    return std::all_of(asked.begin(), asked.end(), [](const auto& entry) { return entry.second.is_answered; });
  };
  const bool all = answered_.wait_for(lock, stop, std::chrono::milliseconds(wait_ms_max), is_answered);
  for (const auto& [id, question] : asked) questions_.erase(id);
  lock.unlock();
  if (stop.stop_requested()) return Error{Code::kCancelled, "stopped"};
  protocol::InputResponses answers;
  for (auto& [id, question] : asked) {
    if (!question.is_answered) {
      send(jsonrpc::print_notification("notifications/cancelled", {{"requestId", id.to_json()}}));
    } else if (question.result && question.result->is_object()) {
      answers.emplace(question.key, *std::move(question.result));
    } else {
      return Error{Code::kInvalid, "The client answered the server's question with an error."};
    }
  }
  if (!all) return Error{Code::kBusy, "The client did not answer the server's question in time."};
  return answers;
}

}  // namespace khipu::mcp::server
