// Kubernetes audit events (audit.k8s.io/v1, v1beta1, and older without apiVersion): JSON lines or an EventList.
//
// Every stage of a request is a record of its own and is kept as one, with its stage as a column. `user` is the caller
// that was authenticated and therefore the actor; `impersonatedUser` is the identity it assumed. All sourceIPs but the
// last, and the user agent, are set by the client: only the last address becomes source_ip.
#include "engine/base/time.h"
#include "engine/import/record_json.h"

namespace khipu::import {
namespace {

using codec::ActionClass;
using codec::Outcome;

constexpr std::string_view kSource = "kube-apiserver";

ActionClass class_of(std::string_view verb, std::string_view resource) {
  const bool reading = verb == "get" || verb == "list" || verb == "watch";
  if (!reading && (resource == "roles" || resource == "rolebindings" || resource == "clusterroles" ||
                   resource == "clusterrolebindings")) {
    return ActionClass::kPrivilege;
  }
  if (verb == "impersonate" || verb == "escalate" || verb == "bind") return ActionClass::kPrivilege;
  if (resource == "tokenreviews") return ActionClass::kAuth;
  if (reading || resource == "subjectaccessreviews" || resource == "selfsubjectaccessreviews")
    return ActionClass::kRead;
  if (verb == "create") return ActionClass::kCreate;
  if (verb == "update" || verb == "patch") return ActionClass::kUpdate;
  if (verb == "delete" || verb == "deletecollection") return ActionClass::kDelete;
  return ActionClass::kOther;
}

class KubernetesMapper : public Mapper {
 public:
  std::string_view format() const override { return "kubernetes"; }
  SourceOptions source() const override {
    SourceOptions options;
    options.wrappers = {"items"};
    return options;
  }
  std::vector<codec::TypeSchema> types() const override {
    auto user = text_type("k8s_user", {"uid", "groups"});
    user.fields[1].kind = codec::ValueKind::kJson;
    auto account = text_type("k8s_service_account", {"namespace", "name", "uid", "groups"});
    account.fields[3].kind = codec::ValueKind::kJson;
    return {user, account, text_type("k8s", {"namespace", "resource", "name", "subresource", "api_group"})};
  }
  std::vector<codec::ColumnSchema> columns() const override {
    return {text_column("stage", true), text_column("audit_id", true), text_column("level"),
            text_column("outcome_raw", true), text_column("source_host")};
  }

  Result<void> map(const Record& record, ingest::Batch& batch) override {
    KHIPU_TRY_ASSIGN(const Json root, parser_.parse(as_text(record.raw)));
    EventBuilder builder(batch);
    ingest::Event& event = builder.event;
    const std::string_view verb = text(root, {"verb"});
    if (verb.empty()) return Error{Code::kInvalid, "not a Kubernetes audit event: no verb"};
    std::string_view time;
    for (const std::string_view member : {"stageTimestamp", "timestamp", "requestReceivedTimestamp"}) {
      if (time.empty()) time = text(root, {member});
    }
    if (time.empty()) return Error{Code::kInvalid, "no stageTimestamp, timestamp or requestReceivedTimestamp"};
    KHIPU_TRY_ASSIGN(event.occurred_at, at("time", parse_rfc3339(time)));

    const std::string_view stage = text(root, {"stage"}), id = text(root, {"auditID"});
    event.action = builder.keep(verb);
    event.action_class = class_of(verb, text(root, {"objectRef", "resource"}));
    event.url = builder.keep(text(root, {"requestURI"}));
    event.source = kSource;  // the only program that writes such records; they name no host or cluster
    if (!id.empty()) event.event_id = builder.keep(std::string(id) + (stage.empty() ? "" : ":") + std::string(stage));
    event.actor = *user(root, "user", builder, true);
    event.on_behalf_of = user(root, "impersonatedUser", builder, false);
    simdjson::dom::array list;
    if (const auto ips = find(root, {"sourceIPs"}); ips && ips->get(list) == simdjson::SUCCESS) {
      std::string_view last;
      for (const Json ip : list) {
        if (ip.get(last) != simdjson::SUCCESS) last = {};
      }
      builder.origin(last);
    }
    target(root, builder);
    outcome(root, builder);
    builder.column("stage", stage);
    builder.column("audit_id", id);
    builder.column("level", text(root, {"level"}));
    builder.finish(codec::ContentKind::kJson, record);
    return {};
  }

 private:
  static std::optional<ingest::EntityInput> user(Json root, std::string_view member, EventBuilder& builder,
                                                 bool needed) {
    constexpr std::string_view kAccount = "system:serviceaccount:";
    const std::string_view name = text(root, {member, "username"});
    if (name.empty() && !needed) return std::nullopt;
    if (name.empty()) return builder.entity("k8s_user", "unknown");
    const std::string_view rest = name.starts_with(kAccount) ? name.substr(kAccount.size()) : "";
    const size_t colon = rest.find(':');
    const bool account = colon != std::string_view::npos && colon > 0 && colon + 1 < rest.size();
    if (account) {
      builder.field("namespace", rest.substr(0, colon));
      builder.field("name", rest.substr(colon + 1));
    }
    builder.field("uid", text(root, {member, "uid"}));
    if (const auto groups = find(root, {member, "groups"})) builder.json_field("groups", simdjson::minify(*groups));
    if (!account) return builder.entity("k8s_user", name);
    return builder.entity("k8s_service_account",
                          std::string(rest.substr(0, colon)) + "/" + std::string(rest.substr(colon + 1)));
  }

  // {namespace}/{resource}/{name}[/subresource]; "-" for a part the request does not have (no name can be "-").
  static void target(Json root, EventBuilder& builder) {
    const auto part = [&](std::string_view member) { return text(root, {"objectRef", member}); };
    if (part("resource").empty()) return;
    std::string id;
    for (const std::string_view member : {"namespace", "resource", "name"}) {
      if (!id.empty()) id += '/';
      id += part(member).empty() ? "-" : part(member);
      builder.field(member, part(member));
    }
    if (!part("subresource").empty()) id.append("/").append(part("subresource"));
    builder.field("subresource", part("subresource"));
    builder.field("api_group", part("apiGroup"));
    builder.target(builder.entity("k8s", id));
  }

  static void outcome(Json root, EventBuilder& builder) {
    const auto status = find(root, {"responseStatus", "code"});
    int64_t code = 0;
    Outcome& outcome = builder.event.outcome;
    if (status && status->get(code) == simdjson::SUCCESS && code >= 100) {
      outcome = code == 401 || code == 403 ? Outcome::kDenied : code < 400 ? Outcome::kSuccess : Outcome::kFailure;
      builder.column("outcome_raw", std::to_string(code));
    }
    if (text(root, {"annotations", "authorization.k8s.io/decision"}) == "forbid") outcome = Outcome::kDenied;
  }

  RecordParser parser_;
};

}  // namespace

std::unique_ptr<Mapper> make_kubernetes_mapper() { return std::make_unique<KubernetesMapper>(); }

}  // namespace khipu::import
