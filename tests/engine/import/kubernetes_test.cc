#include "engine/base/time.h"
#include "tests/engine/import/import_fixture.h"

namespace khipu::import {
namespace {

std::string record(const std::string& more, const std::string& user = R"({"username":"mira","groups":["dev"]})") {
  return R"({"kind":"Event","auditID":"a-1","stage":"ResponseComplete","verb":"get","requestURI":"/api/v1/x","user":)" +
         user + R"(,"stageTimestamp":"2026-02-03T08:00:11.384030Z")" + more + "}";
}

TEST_CASE("kubernetes: an audit event fills the canonical members and keeps its bytes") {
  ImportFixture import("kubernetes", "");
  const std::string text = record(
      R"(,"objectRef":{"resource":"pods","namespace":"default","name":"web-1","subresource":"exec","apiVersion":"v1"},)"
      R"("responseStatus":{"code":200},"sourceIPs":["10.0.0.9","192.0.2.1"])");
  const ingest::Event& event = import.only(text);
  CHECK(event.source == "kube-apiserver");
  CHECK(as_text(event.content) == text);
  CHECK(event.occurred_at == *parse_rfc3339("2026-02-03T08:00:11.384030Z"));
  CHECK(event.actor.type == "k8s_user");
  CHECK(event.actor.id == "mira");
  CHECK(field(event.actor, "groups") == "[\"dev\"]");
  CHECK(event.action == "get");
  CHECK(event.action_class == codec::ActionClass::kRead);
  CHECK(event.outcome == codec::Outcome::kSuccess);
  CHECK(event.event_id == "a-1:ResponseComplete");
  REQUIRE(event.targets.size() == 1);
  CHECK(event.targets[0].type == "k8s");
  CHECK(event.targets[0].id == "default/pods/web-1/exec");
  CHECK(column(event, "stage") == "ResponseComplete");
  CHECK(column(event, "audit_id") == "a-1");
}

TEST_CASE("kubernetes: the caller is the actor and the impersonated identity is on_behalf_of") {
  ImportFixture import("kubernetes", "");
  const ingest::Event& event = import.only(record(R"(,"impersonatedUser":{"username":"bob"})"));
  CHECK(event.actor.id == "mira");
  REQUIRE(event.on_behalf_of);
  CHECK(event.on_behalf_of->id == "bob");
}

TEST_CASE("kubernetes: a service account is split out, a node is a user, nobody is unknown") {
  ImportFixture import("kubernetes", "");
  const ingest::Event& account = import.only(record("", R"({"username":"system:serviceaccount:kube-system:dns"})"));
  CHECK(account.actor.type == "k8s_service_account");
  CHECK(account.actor.id == "kube-system/dns");
  CHECK(field(account.actor, "namespace") == "kube-system");
  CHECK(import.only(record("", R"({"username":"system:node:n1"})")).actor.id == "system:node:n1");
  CHECK(import.only(record("", R"({"username":"system:serviceaccount::x"})")).actor.type == "k8s_user");
  CHECK(import.only(record("", "{}")).actor.id == "unknown");
}

TEST_CASE("kubernetes: only the last source address counts, the others are the client's word") {
  ImportFixture import("kubernetes", "");
  CHECK(import.only(record(R"(,"sourceIPs":["203.0.113.5","192.0.2.1"])")).source_ip == "192.0.2.1");
  CHECK(import.only(record(R"(,"sourceIPs":["203.0.113.5","not an address"])")).source_ip.empty());
  CHECK(import.only(record(R"(,"sourceIPs":[])")).source_ip.empty());
}

TEST_CASE("kubernetes: outcome needs a response, every stage is kept as a record") {
  ImportFixture import("kubernetes", "");
  CHECK(import.only(record("")).outcome == codec::Outcome::kUnknown);
  CHECK(import.only(record(R"(,"responseStatus":{"code":403})")).outcome == codec::Outcome::kDenied);
  CHECK(import.only(record(R"(,"responseStatus":{"code":409})")).outcome == codec::Outcome::kFailure);
  CHECK(import.only(record(R"(,"responseStatus":{"code":101})")).outcome == codec::Outcome::kSuccess);
  CHECK(import.only(record(R"(,"annotations":{"authorization.k8s.io/decision":"forbid"})")).outcome ==
        codec::Outcome::kDenied);
  ImportFixture stages("kubernetes", "");  // afresh: a longer input that begins like an earlier one would be its growth
  const Report report = stages.run(record("") + "\n" + record(R"(,"responseStatus":{"code":200})") + "\n");
  CHECK(report.stored == 2);
  CHECK(report.duplicate_ids == 1);  // the same auditID and stage: reported, and both are there
}

TEST_CASE("kubernetes: old events have `timestamp`, lists come as EventList, cluster objects have no namespace") {
  ImportFixture import("kubernetes", "");
  const ingest::Event& old =
      import.only(R"({"verb":"create","user":{"username":"a"},"timestamp":"2017-09-11T19:55:05Z",)"
                  R"("objectRef":{"resource":"clusterroles","name":"x","apiGroup":"rbac.authorization.k8s.io"}})");
  CHECK(old.occurred_at == *parse_rfc3339("2017-09-11T19:55:05Z"));
  CHECK(old.targets[0].id == "-/clusterroles/x");
  CHECK(old.action_class == codec::ActionClass::kPrivilege);
  CHECK(import.run("{\"kind\":\"EventList\",\"items\":[" + record("") + "," + record("") + "]}").stored == 2);
  CHECK_THAT(import.rejected(R"({"kind": 0})"), ContainsSubstring("no verb"));
  CHECK_THAT(import.rejected(R"({"verb": "get"})"), ContainsSubstring("no stageTimestamp"));
}

}  // namespace
}  // namespace khipu::import
