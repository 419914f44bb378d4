#include "mcp/server/modern.h"

#include "mcp/jsonrpc/print.h"
#include "mcp/server/routing_headers.h"
#include "mcp/server/worker_pool.h"

namespace khipu::mcp::server {
namespace {

using jsonrpc::ErrorCode;

Failure bad_request(ErrorCode code, std::string message) { return {code, std::move(message), nullptr, 400}; }

bool can_listen(const protocol::Offer& offer) {
  return offer.tools_change || offer.prompts_change || offer.resources_change || offer.resources_subscribe;
}

Peer peer_of(const Caller& caller, const protocol::Envelope& envelope) {
  auto named = std::make_shared<Caller>(caller);
  named->client = protocol::short_name(envelope.client_info);
  return {std::move(named), protocol::kModern, envelope.client, envelope.log_level};
}

std::string_view change_method(Change::Kind kind) {
  switch (kind) {
    case Change::Kind::kTools: return "notifications/tools/list_changed";
    case Change::Kind::kPrompts: return "notifications/prompts/list_changed";
    case Change::Kind::kResources: return "notifications/resources/list_changed";
    case Change::Kind::kResource: return "notifications/resources/updated";
  }
  return {};
}

bool wants(const protocol::SubscriptionFilter& filter, const Change& change) {
  switch (change.kind) {
    case Change::Kind::kTools: return filter.tools;
    case Change::Kind::kPrompts: return filter.prompts;
    case Change::Kind::kResources: return filter.resources;
    case Change::Kind::kResource: return filter.uris.contains(change.uri);
  }
  return false;
}

}  // namespace

class Modern::CallTask final : public Task {
 public:
  CallTask(Modern& modern, const void* scope, Call& call) : modern_(modern), scope_(scope), call_(call) {}
  void run() override {
    call_.run([this] { modern_.in_flight_.release(scope_, call_); });
    modern_.in_flight_.finish(call_);
  }
  void refuse() override {
    call_.refuse_busy([this] { modern_.in_flight_.release(scope_, call_); });
    modern_.in_flight_.finish(call_);
  }

 private:
  Modern& modern_;
  const void* scope_;
  Call& call_;
};

void refuse(jsonrpc::Outbox& outbox, const std::optional<jsonrpc::Id>& id, const Failure& failure) {
  std::string line = jsonrpc::print_error(id, failure.code, failure.message, failure.data);
  if (failure.http_status == 0) return outbox.respond(std::move(line));
  outbox.refuse(failure.http_status, std::move(line));
}

Modern::Modern(Server& server, bool shares_clients) : server_(server), shares_clients_(shares_clients) {
  if (server_.options().changes != nullptr) server_.options().changes->listen(*this);
}

Modern::~Modern() {
  if (server_.options().changes != nullptr) server_.options().changes->leave(*this);
  in_flight_.cancel_all();
}

std::optional<Failure> Modern::find_fault(const jsonrpc::Request& request, const jsonrpc::Head* head) const {
  const Result<protocol::Envelope> envelope = protocol::parse_envelope(request.params);
  if (!envelope.ok()) return bad_request(ErrorCode::kInvalidParams, envelope.error().message);
  if (head != nullptr && head->version && *head->version != envelope->version) {
    return bad_request(ErrorCode::kHeaderMismatch, "MCP-Protocol-Version is not the version in params._meta");
  }
  if (envelope->version != revision_name(protocol::kModern)) {
    Failure failure = bad_request(ErrorCode::kUnsupportedProtocolVersion, "this protocol version is not served");
    failure.data = protocol::unsupported_version_data(envelope->version);
    return failure;
  }
  if (head != nullptr) {
    if (auto fault = standard_header_fault(*head, request.method, request.params)) {
      return bad_request(ErrorCode::kHeaderMismatch, *std::move(fault));
    }
  }
  const bool is_ours =
      request.method == "server/discover" || (request.method == "subscriptions/listen" && can_listen(server_.offer()));
  if (!is_ours && !is_served(server_, request.method, protocol::kModern)) {
    return Failure{ErrorCode::kMethodNotFound, "unknown method" + plain_name(request.method), nullptr, 404};
  }
  if (head == nullptr || request.method != "tools/call") return std::nullopt;
  const auto name = request.params.find("name");
  const RegisteredTool* tool =
      name != request.params.end() && name->is_string() ? server_.find(name->get_ref<const std::string&>()) : nullptr;
  if (tool == nullptr) return std::nullopt;
  if (auto fault = param_header_fault(*head, *tool, request.params)) {
    return bad_request(ErrorCode::kHeaderMismatch, *std::move(fault));
  }
  return std::nullopt;
}

void Modern::receive(const Caller& caller, jsonrpc::Request request, const jsonrpc::Head* head, jsonrpc::Outbox& outbox,
                     Stay stay) {
  if (const std::optional<Failure> fault = find_fault(request, head)) {
    refuse(outbox, request.id, *fault);
    return outbox.done();
  }
  if (request.method == "server/discover") return discover(request, outbox);
  if (request.method == "subscriptions/listen") return listen(caller, request, outbox);
  const Result<protocol::Envelope> envelope = protocol::parse_envelope(request.params);
  const bool quick = is_quick(request.method);
  const bool stays = may_stay(server_, stay, request.method, request.params);
  auto call = std::make_unique<Call>(server_, peer_of(caller, *envelope), std::move(request), outbox);
  if (quick) return call->run();
  const void* scope = scope_of(outbox);
  Call* begun = in_flight_.begin(scope, call);
  if (begun == nullptr) {
    server_.options().log("dropped a request: its id is in flight");
    return outbox.done();
  }
  if (CallTask task(*this, scope, *begun); stays && stay.granted() && server_.workers().try_run_here(task)) return;
  server_.workers().submit(std::make_unique<CallTask>(*this, scope, *begun));
}

void Modern::discover(const jsonrpc::Request& request, jsonrpc::Outbox& outbox) const {
  const Options& options = server_.options();
  OrderedJson result = protocol::discover_result(server_.offer(), options.instructions);
  result = protocol::modern_result(std::move(result), options.info);
  protocol::add_cache_hints(result, options.list_cache);
  outbox.respond(jsonrpc::print_result(request.id, std::move(result)));
  outbox.done();
}

void Modern::listen(const Caller& caller, const jsonrpc::Request& request, jsonrpc::Outbox& outbox) {
  Result<protocol::SubscriptionFilter> filter = protocol::parse_listen(request.params);
  if (!filter.ok()) {
    refuse(outbox, request.id, {ErrorCode::kInvalidParams, filter.error().message});
    return outbox.done();
  }
  // Only what is declared is promised; a client sees in the acknowledgement what it will not hear of.
  const protocol::Offer offer = server_.offer();
  filter->tools &= offer.tools_change;
  filter->prompts &= offer.prompts_change;
  filter->resources &= offer.resources_change;
  if (!offer.resources_subscribe) filter->uris.clear();
  std::erase_if(filter->uris, [&](const std::string& uri) { return !server_.resources()->may_subscribe(uri, caller); });

  std::unique_lock lock(mutex_);
  const bool is_taken = std::any_of(listens_.begin(), listens_.end(), [&](const Listen& other) {
    return other.id == request.id && scope_of(*other.outbox) == scope_of(outbox);
  });
  if (is_taken || listens_.size() >= kListensMax) {
    lock.unlock();
    refuse(outbox, request.id, {ErrorCode::kInternalError, "too many subscriptions, or one with this id"});
    return outbox.done();
  }
  OrderedJson params;
  params["notifications"] = protocol::filter_json(*filter);
  outbox.open_stream();
  outbox.notify(jsonrpc::print_notification("notifications/subscriptions/acknowledged",
                                            protocol::with_subscription(std::move(params), request.id)));
  listens_.push_back({request.id, &outbox, *std::move(filter)});
}

void Modern::cancel(const jsonrpc::Id& id) {
  in_flight_.cancel(nullptr, id);
  const std::lock_guard lock(mutex_);
  std::erase_if(listens_, [&](const Listen& listen) {
    if (listen.id != id || shares_clients_) return false;
    listen.outbox->done();
    return true;
  });
}

void Modern::abandon(jsonrpc::Outbox& outbox) {
  if (shares_clients_) in_flight_.cancel_scope(&outbox);
  const std::lock_guard lock(mutex_);
  std::erase_if(listens_, [&](const Listen& listen) {
    if (listen.outbox != &outbox) return false;
    outbox.done();
    return true;
  });
}

void Modern::end_subscriptions() {
  const std::lock_guard lock(mutex_);
  for (const Listen& listen : listens_) {
    if (!shares_clients_) {
      listen.outbox->notify(
          jsonrpc::print_notification("notifications/cancelled", {{"requestId", listen.id.to_json()}}));
    }
    OrderedJson result = protocol::with_subscription(OrderedJson::object(), listen.id);
    listen.outbox->respond(
        jsonrpc::print_result(listen.id, protocol::modern_result(std::move(result), server_.options().info)));
    listen.outbox->done();
  }
  listens_.clear();
}

void Modern::changed(const Change& change) {
  const std::lock_guard lock(mutex_);
  for (const Listen& listen : listens_) {
    if (!wants(listen.filter, change)) continue;
    OrderedJson params = OrderedJson::object();
    if (change.kind == Change::Kind::kResource) params["uri"] = change.uri;
    listen.outbox->notify(jsonrpc::print_notification(change_method(change.kind),
                                                      protocol::with_subscription(std::move(params), listen.id)));
  }
}

}  // namespace khipu::mcp::server
