// The routes of the writer: who may call them, what they do, what they answer.
//
//   POST /v1/events    one event (application/json), many (application/x-ndjson), or, from the command line over the
//                      socket, a batch in CBOR (ingest/wire.h). Answers when durable. All or nothing.
//                      Idempotency-Key: KEY  the body is added once; ?idempotency=event_id  each event is
//   POST /v1/types     entity types    (socket)        GET /v1/status   the writer's figures     (socket)
//   POST /v1/columns   custom columns  (socket)        GET /v1/healthz  ok, degraded, unhealthy  (anybody)
//   POST /v1/retention, /v1/holds      (socket, the writer's own user and root alone)
//
// And on a socket of its own, access.sock, the one route of those who read (engine/access):
//   POST /v1/access    an encoded access record; it is stamped with the peer's uid and answered when it is durable
//
// On the Unix sockets callers are told apart by uid (SO_PEERCRED): the writer's own user, root and members of its group
// may call. Over TCP a bearer token with the grant `ingest` is wanted. Not here: sockets and threads (http.h, serve.h).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/auth/tokens.h"
#include "engine/daemon/answer.h"
#include "engine/daemon/http.h"
#include "engine/daemon/sink.h"
#include "engine/os/clock.h"

namespace khipu::daemon {

class Keeper;

// What status answers besides the writer's own figures.
struct ServerFacts {
  std::string root_path;
  std::string sync;
  std::string http;  // the TCP listener's address, or ""
  TimeUs started = 0;
  uint64_t body_size_bytes_max = HttpLimits().body_size_bytes_max;
};

// Any thread.
class Api {
 public:
  Api(EventSink& sink, os::Clock& clock) : sink_(sink), clock_(clock) {}

  HttpResponse handle(HttpRequest& request);
  HttpResponse handle_access(HttpRequest& request);  // access.sock

  // Changed as a whole by a reload.
  void set_tokens(std::shared_ptr<const auth::Tokens> tokens);
  void set_limits(const ingest::Limits& limits);
  void set_facts(ServerFacts facts);
  // Who carries out retention; borrowed, nullptr while there is nobody.
  void set_keeper(Keeper* keeper);
  // How full the disk under the root is; asked for by healthz. May be empty.
  std::function<bool()> disk_low;

 private:
  // What a caller may do, and the idempotency scope that keeps producers apart.
  struct Caller {
    std::string scope;  // "uid:1000", "token:billing"
    bool local = false;
    bool owner = false;  // the writer's own user or root, on the socket
  };
  struct Route;
  static const Route kRoutes[];

  Result<Caller> admit(HttpRequest& request, bool local_only) const;
  HttpResponse post_events(HttpRequest& request, const Caller& caller);
  HttpResponse post_types(HttpRequest& request, const Caller& caller);
  HttpResponse post_columns(HttpRequest& request, const Caller& caller);
  HttpResponse post_retention(HttpRequest& request, const Caller& caller);
  HttpResponse post_holds(HttpRequest& request, const Caller& caller);
  Result<Keeper*> governed() const;
  nlohmann::ordered_json retention_facts() const;  // null while there is no keeper
  HttpResponse post_checkpoint(HttpRequest& request, const Caller& caller);
  HttpResponse get_status(HttpRequest& request, const Caller& caller);
  HttpResponse get_healthz(HttpRequest& request, const Caller& caller);

  template <typename T>
  T locked(const T& member) const {
    const std::lock_guard lock(mutex_);
    return member;
  }

  EventSink& sink_;
  os::Clock& clock_;
  mutable std::mutex mutex_;  // guards the members below
  std::shared_ptr<const auth::Tokens> tokens_ = std::make_shared<const auth::Tokens>();
  ingest::Limits limits_;
  ServerFacts facts_;
  Keeper* keeper_ = nullptr;
};

}  // namespace khipu::daemon
