#include "engine/daemon/api.h"

#include <nlohmann/json.hpp>

#include "engine/base/bytes.h"
#include "engine/base/time.h"
#include "engine/daemon/keeper.h"
#include "engine/daemon/limits_json.h"
#include "engine/daemon/schema_json.h"
#include "engine/os/process.h"

namespace khipu::daemon {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

struct Api::Route {
  std::string_view method, path;
  bool local_only;  // the Unix socket alone
  bool open;        // no token asked
  bool owner_only;  // and of those the writer's own user and root
  HttpResponse (Api::*handler)(HttpRequest&, const Caller&);
};

const Api::Route Api::kRoutes[] = {
    {"POST", "/v1/events", false, false, false, &Api::post_events},
    {"POST", "/v1/types", true, false, false, &Api::post_types},
    {"POST", "/v1/columns", true, false, false, &Api::post_columns},
    {"POST", "/v1/retention", true, false, true, &Api::post_retention},
    {"POST", "/v1/holds", true, false, true, &Api::post_holds},
    {"GET", "/v1/status", true, false, false, &Api::get_status},
    {"POST", "/v1/checkpoint", true, false, false, &Api::post_checkpoint},
    {"GET", "/v1/healthz", false, true, false, &Api::get_healthz},
};

HttpResponse Api::handle(HttpRequest& request) {
  std::string allow;
  for (const Route& route : kRoutes) {
    if (route.path != request.path()) continue;
    if (route.method != request.method()) {
      allow = route.method;
      continue;
    }
    if (route.open) return (this->*route.handler)(request, {});
    const Result<Caller> caller = admit(request, route.local_only);
    if (!caller.ok()) {
      // Unknown, expired and missing tokens look the same; a token without the grant may know that it lacks one.
      const bool unknown = caller.error().code == Code::kNotFound;
      return error_response(unknown ? 401 : 403, unknown ? "unauthorized" : "forbidden", caller.error().message);
    }
    if (route.owner_only && !caller->owner) {
      return error_response(403, "forbidden", "only the writer's own user and root may do this");
    }
    return (this->*route.handler)(request, *caller);
  }
  if (allow.empty()) return error_response(404, "not_found", "there is nothing at this path");
  HttpResponse response = error_response(405, "method_not_allowed", "this path takes " + allow);
  response.allow = allow;
  return response;
}

HttpResponse Api::handle_access(HttpRequest& request) {
  if (request.path() != "/v1/access") return error_response(404, "not_found", "there is nothing at this path");
  if (request.method() != "POST") {
    HttpResponse response = error_response(405, "method_not_allowed", "this path takes POST");
    response.allow = "POST";
    return response;
  }
  const Result<Caller> caller = admit(request, true);
  if (!caller.ok()) return error_response(403, "forbidden", caller.error().message);
  const auto submit = [&]() -> Result<writer::Receipt> {
    KHIPU_TRY_ASSIGN(const std::string body, request.body());
    if (body.size() > codec::kAccessSizeBytesMax) return Error{Code::kLimit, "an access record is at most 16 KiB"};
    Result<codec::AccessRecord> record = codec::decode_access(as_bytes(body));
    if (!record.ok()) return Error{Code::kInvalid, record.error().message};
    record->reporter = request.peer().process.uid;  // whatever the sender says
    ingest::Batch batch;
    batch.accesses.push_back(std::move(*record));
    return sink_.submit(std::move(batch));
  };
  const Result<writer::Receipt> receipt = submit();
  if (!receipt.ok()) return error_response(receipt.error());
  // Under `os` nothing is durable when it is answered, and a read that may be lost is not recorded.
  if (!receipt->durable) return error_response(503, "unavailable", "the sync policy os makes nothing durable in time");
  HttpResponse response;
  response.body = receipt_json(*receipt);
  return response;
}

Result<Api::Caller> Api::admit(HttpRequest& request, bool local_only) const {
  const HttpPeer& peer = request.peer();
  if (peer.local) {
    if (peer.process.uid != 0 && peer.process.uid != os::effective_user_id() && !peer.process.same_group) {
      return Error{Code::kForbidden, "user " + std::to_string(peer.process.uid) + " is not in the writer's group"};
    }
    const bool owner = peer.process.uid == 0 || peer.process.uid == os::effective_user_id();
    return Caller{"uid:" + std::to_string(peer.process.uid), true, owner};
  }
  const std::string header = request.header_count("Authorization") == 1 ? request.header("Authorization") : "";
  const std::shared_ptr<const auth::Tokens> tokens = locked(tokens_);
  const auth::Token* token = tokens->find(auth::bearer_token(header), clock_.now());
  if (token == nullptr) return Error{Code::kNotFound, "a valid bearer token is wanted: khipu token add"};
  if (local_only) return Error{Code::kForbidden, "this path answers on the Unix socket only"};
  if (!token->may(auth::Grant::kIngest)) return Error{Code::kForbidden, "the token lacks the grant ingest"};
  return Caller{"token:" + token->name, false, false};
}

HttpResponse Api::post_types(HttpRequest& request, const Caller&) {
  const auto submit = [&]() -> Result<writer::Receipt> {
    KHIPU_TRY_ASSIGN(const std::string body, request.body());
    KHIPU_TRY_ASSIGN(const std::vector<codec::TypeSchema> types, parse_types(body));
    ingest::Batch batch;
    for (const codec::TypeSchema& type : types) batch.statements.emplace_back(codec::TypeStatement{type});
    return sink_.submit(std::move(batch));
  };
  const Result<writer::Receipt> receipt = submit();
  return receipt.ok() ? HttpResponse{200, receipt_json(*receipt), "application/json", {}, {}}
                      : error_response(receipt.error());
}

HttpResponse Api::post_columns(HttpRequest& request, const Caller&) {
  const auto submit = [&]() -> Result<writer::Receipt> {
    KHIPU_TRY_ASSIGN(const std::string body, request.body());
    const TimeUs now = clock_.now();
    KHIPU_TRY_ASSIGN(std::vector<codec::ColumnSchema> columns, parse_columns(body, now));
    const std::shared_ptr<const registry::Schema> schema = sink_.schema();
    ingest::Batch batch;
    for (codec::ColumnSchema& column : columns) {
      const codec::ColumnSchema* known = schema->column(std::string_view(column.name));
      const bool required = known != nullptr && known->required && known->required_since_us <= now;
      if (required && column.required_since_us == now) column.required_since_us = known->required_since_us;
      batch.statements.emplace_back(codec::ColumnStatement{std::move(column)});
    }
    return sink_.submit(std::move(batch));
  };
  const Result<writer::Receipt> receipt = submit();
  return receipt.ok() ? HttpResponse{200, receipt_json(*receipt), "application/json", {}, {}}
                      : error_response(receipt.error());
}

HttpResponse Api::post_checkpoint(HttpRequest&, const Caller&) {
  if (const Result<void> published = sink_.publish(); !published.ok()) return error_response(published.error());
  const writer::Status status = sink_.status();
  const Json json = {
      {"schema", "khipu.checkpoint/v1"}, {"number", status.checkpoint}, {"note", status.checkpoint_note}};
  HttpResponse response;
  response.body = json.dump();
  return response;
}

HttpResponse Api::get_status(HttpRequest&, const Caller&) {
  const writer::Status status = sink_.status();
  const ServerFacts facts = locked(facts_);
  Json tables = Json::object();
  for (const TableId table : kTables) {
    const segment::HeadTable& head = status.head.tables[index_of(table)];
    tables[table_name(table)] = {{"rows", head.size}, {"root", base64(head.root)}};
  }
  const Json json = {{"schema", "khipu.writer_status/v1"},
                     {"pid", os::process_id()},
                     {"started", format_rfc3339(facts.started)},
                     {"root", facts.root_path},
                     {"root_id", hex(status.head.root_id)},
                     {"sync", facts.sync},
                     {"http", facts.http.empty() ? Json() : Json(facts.http)},
                     {"commit", status.head.commit.value},
                     {"commit_time", format_rfc3339(status.head.commit_time)},
                     {"tables", std::move(tables)},
                     {"checkpoint", status.checkpoint},
                     {"queued_events", status.queued_events},
                     {"limits", limits_json(locked(limits_), facts.body_size_bytes_max)},
                     {"since_start", {{"commits", status.commits}, {"events", status.events}}},
                     {"retention", retention_facts()},
                     {"poisoned", status.poisoned.empty() ? Json() : Json(status.poisoned)},
                     {"index_error", status.index_error.empty() ? Json() : Json(status.index_error)},
                     {"recovery",
                      {{"line", status.recovery.line.value},
                       {"rewritten_bytes", status.recovery.rewritten_bytes},
                       {"quarantined", status.recovery.quarantined}}}};
  HttpResponse response;
  response.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return response;
}

nlohmann::ordered_json Api::retention_facts() const {
  const Keeper* const keeper = locked(keeper_);
  if (keeper == nullptr) return nullptr;
  const KeeperFacts facts = keeper->facts();
  const auto policy = [](const retention::Policy& one) {
    return one.empty() ? Json("keep everything") : Json(retention::text(one));
  };
  return {{"logs", policy(facts.settings.logs)},
          {"access", policy(facts.settings.access)},
          {"interval_s", facts.settings.interval_us / 1000000},
          {"wait_s", facts.settings.wait_us / 1000000},
          {"last_run", facts.last_run == 0 ? Json() : Json(format_rfc3339(facts.last_run))},
          {"last_error", facts.last_error.empty() ? Json() : Json(facts.last_error)},
          {"since_start", {{"runs", facts.runs}, {"segments", facts.segments}, {"bytes", facts.bytes}}}};
}

HttpResponse Api::get_healthz(HttpRequest&, const Caller&) {
  const bool poisoned = !sink_.status().poisoned.empty();
  const bool low = disk_low && disk_low();
  Json reasons = Json::array();
  if (poisoned) reasons.push_back("poisoned");
  if (low) reasons.push_back("low_disk");
  HttpResponse response;
  response.status = poisoned ? 503 : 200;
  response.body = Json{{"schema", "khipu.health/v1"},
                       {"status", poisoned ? "unhealthy"
                                  : low    ? "degraded"
                                           : "ok"},
                       {"reasons", std::move(reasons)}}
                      .dump();
  return response;
}

void Api::set_tokens(std::shared_ptr<const auth::Tokens> tokens) {
  const std::lock_guard lock(mutex_);
  tokens_ = std::move(tokens);
}

void Api::set_limits(const ingest::Limits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

void Api::set_facts(ServerFacts facts) {
  const std::lock_guard lock(mutex_);
  facts_ = std::move(facts);
}

}  // namespace khipu::daemon
