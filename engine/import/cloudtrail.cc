// AWS CloudTrail records: trail files {"Records":[...]}, LookupEvents output (the record is a JSON string in
// CloudTrailEvent), JSON lines, arrays, Splunk CSV (_raw), records that went through Logstash (@timestamp for
// eventTime).
//
// The actor is not one field. An assumed role is the role (so that its calls group), and its session name is the
// event's `session`. `invokedBy` beside a user is a column: the user is still the one who acted.
#include <array>

#include "engine/base/time.h"
#include "engine/import/record_json.h"

namespace khipu::import {
namespace {

using codec::ActionClass;
using codec::Outcome;

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  for (const std::string_view prefix : prefixes) {
    if (text.starts_with(prefix)) return true;
  }
  return false;
}
bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// By the verb an event name begins with; the services that change rights or logging first.
ActionClass class_of(std::string_view source, std::string_view name) {
  if (starts_with_any(name, {"ConsoleLogin", "AssumeRole", "GetSessionToken", "GetFederationToken", "SwitchRole",
                             "CredentialChallenge", "CredentialVerification"})) {
    return ActionClass::kAuth;
  }
  if (starts_with_any(name, {"Get", "List", "Describe", "Head", "BatchGet", "Lookup", "Search", "Query", "Scan"})) {
    return ActionClass::kRead;
  }
  if (source == "cloudtrail.amazonaws.com") return ActionClass::kLogControl;
  if (contains(name, "FlowLogs") || contains(name, "QueryLoggingConfig")) return ActionClass::kLogControl;
  if (source == "iam.amazonaws.com" || contains(name, "Policy") || contains(name, "Permission")) {
    return ActionClass::kPrivilege;
  }
  if (starts_with_any(name, {"Create", "Run", "Import", "Allocate"})) return ActionClass::kCreate;
  if (starts_with_any(name, {"Delete", "Terminate", "Remove", "Release", "Deregister"})) return ActionClass::kDelete;
  if (starts_with_any(name, {"Put", "Update", "Modify", "Set", "Attach", "Detach", "Associate", "Disassociate", "Add",
                             "Enable", "Disable", "Start", "Stop", "Tag", "Untag", "Register"})) {
    return ActionClass::kUpdate;
  }
  return ActionClass::kOther;
}

// Request parameters that name what was acted on, where `resources` does not say.
constexpr std::array<std::string_view, 22> kNaming = {
    "bucketName",         "userName",  "roleName",   "roleArn",  "groupName",   "groupId",     "policyArn",
    "instanceId",         "volumeId",  "snapshotId", "imageId",  "secretId",    "keyId",       "tableName",
    "functionName",       "trailName", "queueUrl",   "topicArn", "resourceArn", "clusterName", "documentName",
    "instanceProfileName"};

class CloudTrailMapper : public Mapper {
 public:
  std::string_view format() const override { return "cloudtrail"; }
  SourceOptions source() const override {
    SourceOptions options;
    options.container = Container::kJsonOrCsv;
    options.wrappers = {"Records", "Events"};
    return options;
  }
  std::vector<codec::TypeSchema> types() const override {
    return {text_type("iam_user", {"name", "account_id", "principal_id"}),
            text_type("assumed_role", {"name", "account_id"}),
            text_type("federated_user", {"name", "account_id"}),
            text_type("aws_service", {}),
            text_type("aws_account", {}),
            text_type("root", {}),
            text_type("aws_principal", {"kind", "account_id"}),
            text_type("aws_resource", {"kind", "account_id"})};
  }
  std::vector<codec::ColumnSchema> columns() const override {
    return {text_column("outcome_raw", true), text_column("aws_region", true),     text_column("aws_account", true),
            text_column("source_host"),       text_column("access_key_id", true),  text_column("invoked_by", true),
            text_column("request_id", true),  text_column("shared_event_id", true)};
  }

  Result<void> map(const Record& record, ingest::Batch& batch) override {
    const bool unwrapped = !record.inner.empty();
    KHIPU_TRY_ASSIGN(Json root, outer_.parse(unwrapped ? record.inner : as_text(record.raw)));
    if (const std::string_view inside = text(root, {"CloudTrailEvent"}); !inside.empty()) {
      KHIPU_TRY_ASSIGN(root, at("CloudTrailEvent", inner_.parse(inside)));
    }
    EventBuilder builder(batch);
    ingest::Event& event = builder.event;
    const std::string_view name = text(root, {"eventName"});
    if (name.empty()) return Error{Code::kInvalid, "not a CloudTrail record: no eventName"};
    std::string_view time = text(root, {"eventTime"});
    if (time.empty()) time = text(root, {"@timestamp"});
    if (time.empty()) return Error{Code::kInvalid, "no eventTime"};
    KHIPU_TRY_ASSIGN(event.occurred_at, at("eventTime", parse_rfc3339(time)));

    const std::string_view source = text(root, {"eventSource"});
    event.action = builder.keep(name);
    event.action_class = class_of(source, name);
    event.source = builder.keep(source);
    event.url = builder.keep(std::string(source) + "/" + std::string(name));
    event.event_id = builder.keep(text(root, {"eventID"}));
    builder.origin(text(root, {"sourceIPAddress"}));
    actor(root, builder);
    outcome(root, name, builder);
    targets(root, source, builder);
    builder.column("aws_region", text(root, {"awsRegion"}));
    builder.column("aws_account", text(root, {"recipientAccountId"}));
    builder.column("access_key_id", text(root, {"userIdentity", "accessKeyId"}));
    builder.column("request_id", text(root, {"requestID"}));
    builder.column("shared_event_id", text(root, {"sharedEventID"}));
    builder.finish(unwrapped ? codec::ContentKind::kText : codec::ContentKind::kJson, record);
    return {};
  }

 private:
  static void actor(Json root, EventBuilder& builder) {
    const auto identity = [&](std::string_view member) { return text(root, {"userIdentity", member}); };
    const std::string_view type = identity("type"), arn = identity("arn"), account = identity("accountId");
    const std::string_view name = identity("userName"), invoked_by = identity("invokedBy");
    ingest::Event& event = builder.event;
    if (type == "AssumedRole") {
      assumed_role(root, arn, account, builder);
    } else if (type == "Root" && !account.empty()) {
      event.actor = builder.entity("root", account);
    } else if (type == "IAMUser" && !(arn.empty() && name.empty())) {
      builder.field("name", name);
      builder.field("account_id", account);
      builder.field("principal_id", identity("principalId"));
      event.actor = builder.entity("iam_user", arn.empty() ? name : arn);
    } else if (type == "AWSAccount" && !account.empty()) {
      event.actor = builder.entity("aws_account", account);
    } else if (starts_with_any(type, {"Federated", "SAML", "WebIdentity", "IdentityCenter", "Directory"}) &&
               !(arn.empty() && name.empty() && identity("principalId").empty())) {
      builder.field("name", name);
      builder.field("account_id", account);
      event.actor = builder.entity("federated_user", !arn.empty()    ? arn
                                                     : !name.empty() ? name
                                                                     : identity("principalId"));
    } else if (arn.empty() && !invoked_by.empty()) {
      event.actor = builder.entity("aws_service", invoked_by);
      return;  // it is the actor: not a column as well
    } else {
      builder.field("kind", type);
      builder.field("account_id", account);
      const std::string_view id = !arn.empty() ? arn : !type.empty() ? type : "unknown";
      event.actor = builder.entity("aws_principal", id);
    }
    builder.column("invoked_by", invoked_by);
  }

  // arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION. The role is the actor, by the ARN of its issuer where there is one.
  static void assumed_role(Json root, std::string_view arn, std::string_view account, EventBuilder& builder) {
    const size_t slash = arn.rfind('/');
    const bool has_session = contains(arn, ":assumed-role/") && slash != std::string_view::npos;
    std::string_view role = text(root, {"userIdentity", "sessionContext", "sessionIssuer", "arn"});
    if (role.empty()) role = has_session ? arn.substr(0, slash) : arn;
    if (role.empty()) role = text(root, {"userIdentity", "principalId"});
    builder.field("name", text(root, {"userIdentity", "sessionContext", "sessionIssuer", "userName"}));
    builder.field("account_id", account);
    builder.event.actor = builder.entity("assumed_role", role.empty() ? "unknown" : role);
    if (has_session) builder.event.session = builder.keep(arn.substr(slash + 1));
  }

  static void outcome(Json root, std::string_view name, EventBuilder& builder) {
    std::string_view code = text(root, {"errorCode"});
    Outcome& outcome = builder.event.outcome;
    if (!code.empty()) {
      const bool denied = contains(code, "AccessDenied") || contains(code, "Unauthorized");
      outcome = denied ? Outcome::kDenied : Outcome::kFailure;
    } else if (name == "ConsoleLogin") {
      code = text(root, {"responseElements", "ConsoleLogin"});
      outcome = code == "Success" ? Outcome::kSuccess : code == "Failure" ? Outcome::kFailure : Outcome::kUnknown;
    } else {
      outcome = text(root, {"errorMessage"}).empty() ? Outcome::kSuccess : Outcome::kFailure;
    }
    builder.column("outcome_raw", code);
  }

  static void targets(Json root, std::string_view source, EventBuilder& builder) {
    bool any = false;
    simdjson::dom::array list;
    if (const auto resources = find(root, {"resources"}); resources && resources->get(list) == simdjson::SUCCESS) {
      for (const Json resource : list) {
        std::string_view arn = text(resource, {"ARN"});
        if (arn.empty()) arn = text(resource, {"arn"});
        if (arn.empty()) continue;
        builder.field("kind", text(resource, {"type"}));
        builder.field("account_id", text(resource, {"accountId"}));
        builder.target(builder.entity("aws_resource", arn));
        any = true;
      }
    }
    if (any) return;
    const std::string_view service = source.substr(0, source.find('.'));
    const auto add = [&](std::string_view member, std::string_view value) {
      if (value.empty()) return;
      builder.field("kind", member);
      if (value.starts_with("arn:")) {
        builder.target(builder.entity("aws_resource", value));
      } else {
        builder.target(builder.entity("aws_resource",
                                      std::string(service) + "/" + std::string(member) + "/" + std::string(value)));
      }
    };
    for (const std::string_view member : kNaming) add(member, text(root, {"requestParameters", member}));
    if (const auto items = find(root, {"requestParameters", "instancesSet", "items"});
        items && items->get(list) == simdjson::SUCCESS) {
      for (const Json item : list) add("instanceId", text(item, {"instanceId"}));
    }
  }

  RecordParser outer_;
  RecordParser inner_;
};

}  // namespace

std::unique_ptr<Mapper> make_cloudtrail_mapper() { return std::make_unique<CloudTrailMapper>(); }

}  // namespace khipu::import
