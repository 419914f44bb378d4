#include "mcp/server/web.h"

#include <algorithm>
#include <set>

#include "mcp/jsonrpc/print.h"
#include "mcp/protocol/revision.h"

namespace khipu::mcp::server {
namespace {

using jsonrpc::ErrorCode;

constexpr int kBadRequest = 400;
constexpr int kNotFound = 404;
constexpr int kMethodNotAllowed = 405;
constexpr int kNoContent = 204;

void refuse_and_end(jsonrpc::Outbox& outbox, const std::optional<jsonrpc::Id>& id, int status, ErrorCode code,
                    std::string message) {
  refuse(outbox, id, {code, std::move(message), nullptr, status});
  outbox.done();
}

std::optional<jsonrpc::Id> id_of(const jsonrpc::Incoming& incoming) {
  const auto* message = std::get_if<jsonrpc::Message>(&incoming);
  const auto* request = message == nullptr ? nullptr : std::get_if<jsonrpc::Request>(message);
  return request == nullptr ? std::nullopt : std::optional(request->id);
}

bool names_modern(const jsonrpc::Head& head) {
  const auto revision = head.version ? protocol::revision_named(*head.version) : std::nullopt;
  return revision && protocol::is_modern(*revision);
}

// Or something that can be answered as one.
bool holds_message(const jsonrpc::Batch& batch) {
  return std::any_of(batch.messages.begin(), batch.messages.end(), [](const jsonrpc::Message& message) {
    const auto* invalid = std::get_if<jsonrpc::Invalid>(&message);
    return invalid == nullptr || invalid->id;
  });
}

bool is_modern_only(const std::string& method) {
  return method == "server/discover" || method == "subscriptions/listen";
}

}  // namespace

Web::Web(Server& server, WebOptions options) : server_(server), options_(options), modern_(server, true) {}

Web::~Web() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, entry] : sessions_) entry.session->cancel_all();
}

size_t Web::session_count() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

void Web::post(const Caller& caller, const jsonrpc::Head& head, std::string_view body, jsonrpc::Outbox& outbox) {
  jsonrpc::Incoming incoming = jsonrpc::parse(body, options_.limits);
  auto* message = std::get_if<jsonrpc::Message>(&incoming);
  if (message == nullptr) return post_legacy(caller, head, std::move(incoming), outbox);
  if (const auto* invalid = std::get_if<jsonrpc::Invalid>(message)) {
    const int status = invalid->id && invalid->code == ErrorCode::kInvalidParams ? 0 : kBadRequest;
    return refuse_and_end(outbox, invalid->id, status, invalid->code, invalid->message);
  }
  if (auto* request = std::get_if<jsonrpc::Request>(message)) {
    return post_request(caller, head, std::move(*request), outbox);
  }
  if (const auto* notification = std::get_if<jsonrpc::Notification>(message)) {
    // The modern era cancels by closing the connection; there is nothing a modern notification could tell us.
    if (protocol::claims_modern(notification->params) || names_modern(head)) return outbox.done();
  } else if (names_modern(head)) {
    return refuse_and_end(outbox, std::nullopt, kBadRequest, ErrorCode::kInvalidRequest,
                          "this revision takes no responses");
  }
  post_legacy(caller, head, std::move(incoming), outbox);
}

void Web::post_request(const Caller& caller, const jsonrpc::Head& head, jsonrpc::Request request,
                       jsonrpc::Outbox& outbox) {
  if (protocol::claims_modern(request.params))
    return modern_.receive(caller, std::move(request), &head, outbox, Stay::kBriefly);
  if (request.method == "initialize") {
    if (!names_modern(head)) return begin_session(caller, request, outbox);
    return refuse_and_end(outbox, request.id, kBadRequest, ErrorCode::kHeaderMismatch,
                          "MCP-Protocol-Version names a revision without initialize");
  }
  if (names_modern(head) || (is_modern_only(request.method) && !head.session)) {
    return modern_.receive(caller, std::move(request), &head, outbox);  // which says what of _meta is missing
  }
  post_legacy(caller, head, jsonrpc::Message(std::move(request)), outbox);
}

void Web::post_legacy(const Caller& caller, const jsonrpc::Head& head, jsonrpc::Incoming incoming,
                      jsonrpc::Outbox& outbox) {
  const std::optional<jsonrpc::Id> id = id_of(incoming);
  const bool is_batch = std::holds_alternative<jsonrpc::Batch>(incoming);
  if (!head.session) {
    if (is_batch) {
      return refuse_and_end(outbox, id, kBadRequest, ErrorCode::kInvalidRequest, "a message is a JSON object");
    }
    return refuse_and_end(outbox, id, kBadRequest, ErrorCode::kNoSession,
                          "send initialize first, then its Mcp-Session-Id with each request");
  }
  if (head.version && !protocol::revision_named(*head.version)) {
    return refuse_and_end(outbox, id, kBadRequest, ErrorCode::kNoSession, "MCP-Protocol-Version is not one of ours");
  }
  const std::shared_ptr<Session> session = find_session(caller, *head.session);
  if (session == nullptr) {
    return refuse_and_end(outbox, id, kNotFound, ErrorCode::kUnknownSession, "there is no such session: initialize");
  }
  const auto revision = session->revision();
  if (is_batch && !(revision && protocol::has_batches(*revision))) {
    return refuse_and_end(outbox, id, kBadRequest, ErrorCode::kInvalidRequest, "this revision has no batches");
  }
  if (is_batch && !holds_message(std::get<jsonrpc::Batch>(incoming))) {
    return refuse_and_end(outbox, id, kBadRequest, ErrorCode::kInvalidRequest, "nothing in this batch is a message");
  }
  if (!is_batch) {
    const auto* response = std::get_if<jsonrpc::Response>(&std::get<jsonrpc::Message>(incoming));
    if (response != nullptr && !session->awaits(*response)) {
      return refuse_and_end(outbox, std::nullopt, kBadRequest, ErrorCode::kInvalidRequest,
                            "a response to nothing this server asked");
    }
  }
  session->receive(std::move(incoming), outbox, Stay::kBriefly);
}

void Web::begin_session(const Caller& caller, const jsonrpc::Request& request, jsonrpc::Outbox& outbox) {
  sweep();
  auto session = std::make_shared<Session>(server_, caller);
  const Result<protocol::InitializeRequest> parsed = protocol::parse_initialize(request.params);
  if (parsed.ok()) {
    const std::string id = make_id();
    {
      const std::lock_guard lock(mutex_);
      sessions_[id] = {session, caller.authority(), server_.options().steady()};
    }
    outbox.begin_session(id);
  }
  session->receive(jsonrpc::Message(request), outbox);
}

bool Web::takes_any_session(const jsonrpc::Head& head) const { return names_modern(head); }

int Web::open_stream(const Caller& caller, const jsonrpc::Head& head, jsonrpc::Outbox& outbox) {
  if (!head.session) return kMethodNotAllowed;
  const std::shared_ptr<Session> session = find_session(caller, *head.session);
  if (session == nullptr) return kNotFound;
  if (head.version && !protocol::revision_named(*head.version)) return kBadRequest;
  {
    const std::lock_guard lock(mutex_);
    streams_[&outbox] = session;
  }
  outbox.open_stream();
  session->attach(outbox);
  return 0;
}

void Web::close_stream(jsonrpc::Outbox& outbox) {
  std::shared_ptr<Session> session;
  {
    const std::lock_guard lock(mutex_);
    const auto found = streams_.find(&outbox);
    if (found == streams_.end()) return;
    session = std::move(found->second);
    streams_.erase(found);
    for (auto& [id, entry] : sessions_) {  // listening is using
      if (entry.session == session) entry.used_at = server_.options().steady();
    }
  }
  session->detach(outbox);
  outbox.done();
}

int Web::end_session(const Caller& caller, const jsonrpc::Head& head) {
  if (!head.session) return kMethodNotAllowed;
  const std::shared_ptr<Session> session = find_session(caller, *head.session);
  if (session == nullptr) return kNotFound;
  session->end();
  std::vector<jsonrpc::Outbox*> streams;
  {
    const std::lock_guard lock(mutex_);
    sessions_.erase(*head.session);
    leaving_.push_back(session);
    for (const auto& [outbox, owner] : streams_) {
      if (owner == session) streams.push_back(outbox);
    }
  }
  for (jsonrpc::Outbox* outbox : streams) close_stream(*outbox);
  sweep();
  return kNoContent;
}

// Legacy: a client that went away did not cancel; its call goes on, and is answered to nobody.
void Web::abandon(jsonrpc::Outbox& outbox) {
  close_stream(outbox);
  modern_.abandon(outbox);
}

void Web::end_streams() {
  modern_.end_subscriptions();
  std::vector<jsonrpc::Outbox*> streams;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [outbox, owner] : streams_) streams.push_back(outbox);
  }
  for (jsonrpc::Outbox* outbox : streams) close_stream(*outbox);
}

std::shared_ptr<Session> Web::find_session(const Caller& caller, const std::string& id) {
  const std::string authority = caller.authority();
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  // An id is no proof: it counts together with the caller it was given to, who may do what it could do then.
  if (found == sessions_.end() || found->second.authority != authority) return nullptr;
  found->second.used_at = server_.options().steady();
  return found->second.session;
}

void Web::sweep() {
  std::vector<std::shared_ptr<Session>> gone;
  std::vector<jsonrpc::Outbox*> cut;
  {
    const std::lock_guard lock(mutex_);
    const TimeUs oldest = server_.options().steady() - options_.session_idle_ms_max * 1000;
    std::set<const Session*> listening;
    for (const auto& [outbox, session] : streams_) listening.insert(session.get());
    const auto has_stream = [&](const Entry& entry) { return listening.contains(entry.session.get()); };
    for (auto at = sessions_.begin(); at != sessions_.end();) {
      if (at->second.used_at >= oldest || has_stream(at->second)) {
        ++at;
        continue;
      }
      leaving_.push_back(std::move(at->second.session));
      at = sessions_.erase(at);
    }
    while (sessions_.size() >= options_.sessions_max) {
      // Who only listens sends nothing, and is there all the same: it goes last.
      const auto goes_before = [&](const auto& a, const auto& b) {
        const bool first = has_stream(a.second), second = has_stream(b.second);
        return first != second ? second : a.second.used_at < b.second.used_at;
      };
      const auto gone_first = std::min_element(sessions_.begin(), sessions_.end(), goes_before);
      for (const auto& [outbox, session] : streams_) {
        if (session == gone_first->second.session) cut.push_back(outbox);
      }
      leaving_.push_back(std::move(gone_first->second.session));
      sessions_.erase(gone_first);
    }
    for (const auto& session : leaving_) session->end();
    for (auto& session : leaving_) {
      // Destroying a session waits for its calls: those that have not noticed are looked at again next time.
      if (session->drain(std::chrono::milliseconds(0))) gone.push_back(std::move(session));
    }
    std::erase(leaving_, nullptr);
  }
  for (jsonrpc::Outbox* outbox : cut) close_stream(*outbox);
}

// 192 bits that nobody guesses, in letters that any header takes.
std::string Web::make_id() const {
  std::string id;
  for (int word = 0; word < 3; ++word) {
    const uint64_t random = server_.options().random();
    id += hex(Bytes(reinterpret_cast<const uint8_t*>(&random), sizeof random));
  }
  return id;
}

}  // namespace khipu::mcp::server
