#include "engine/base/time.h"
#include "tests/engine/import/import_fixture.h"

namespace khipu::import {
namespace {

std::string record(const std::string& identity, const std::string& more = "") {
  return R"({"eventVersion":"1.08","userIdentity":)" + identity +
         R"(,"eventTime":"2026-02-03T08:00:11Z","eventSource":"s3.amazonaws.com","eventName":"GetObject",)"
         R"("awsRegion":"eu-central-1","sourceIPAddress":"198.51.100.7","eventID":"e-1")" +
         more + "}";
}
const std::string kUser =
    R"({"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mira","accountId":"111122223333","userName":"mira"})";

TEST_CASE("cloudtrail: an ordinary record fills the canonical members and keeps its bytes") {
  ImportFixture import("cloudtrail", "");
  const std::string text = record(kUser, R"(,"requestParameters":{"bucketName":"b"},"big":123456789012)");
  const ingest::Event& event = import.only(text);
  CHECK(as_text(event.content) == text);
  CHECK(event.content_kind == codec::ContentKind::kJson);
  CHECK(event.occurred_at == *parse_rfc3339("2026-02-03T08:00:11Z"));
  CHECK(event.actor.type == "iam_user");
  CHECK(event.actor.id == "arn:aws:iam::111122223333:user/mira");
  CHECK(field(event.actor, "name") == "mira");
  CHECK(event.action == "GetObject");
  CHECK(event.action_class == codec::ActionClass::kRead);
  CHECK(event.url == "s3.amazonaws.com/GetObject");
  CHECK(event.source == "s3.amazonaws.com");
  CHECK(event.source_ip == "198.51.100.7");
  CHECK(event.event_id == "e-1");
  CHECK(event.outcome == codec::Outcome::kSuccess);
  REQUIRE(event.targets.size() == 1);
  CHECK(event.targets[0].id == "s3/bucketName/b");
  CHECK(column(event, "aws_region") == "eu-central-1");
}

TEST_CASE("cloudtrail: an assumed role keeps role and session name apart") {
  ImportFixture import("cloudtrail", "");
  const ingest::Event& event = import.only(record(
      R"({"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/run-7","accountId":"111122223333",)"
      R"("sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/deploy","userName":"deploy"}}})"));
  CHECK(event.actor.type == "assumed_role");
  CHECK(event.actor.id == "arn:aws:iam::111122223333:role/deploy");
  CHECK(event.session == "run-7");
  // Logstash writes {} for an absent issuer: the role is then what the session's ARN says before the session name.
  const ingest::Event& bare = import.only(record(
      R"({"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/run-8","sessionContext":{"sessionIssuer":{}}})"));
  CHECK(bare.actor.id == "arn:aws:sts::111122223333:assumed-role/deploy");
  CHECK(bare.session == "run-8");
}

TEST_CASE("cloudtrail: every shape of userIdentity has an actor, invented by nobody") {
  ImportFixture import("cloudtrail", "");
  const auto actor = [&](const std::string& identity) {
    const ingest::Event& event = import.only(record(identity));
    return std::string(event.actor.type) + ":" + std::string(event.actor.id);
  };
  CHECK(actor(R"({"type":"AWSService","invokedBy":"config.amazonaws.com"})") == "aws_service:config.amazonaws.com");
  CHECK(actor(R"({"accountId":"111122223333","invokedBy":"config.amazonaws.com"})") ==
        "aws_service:config.amazonaws.com");
  CHECK(actor(R"({"type":"Root","accountId":"111122223333","arn":"arn:aws:iam::111122223333:root"})") ==
        "root:111122223333");
  CHECK(actor(R"({"type":"IAMUser","userName":"HIDDEN_DUE_TO_SECURITY_REASONS"})") ==
        "iam_user:HIDDEN_DUE_TO_SECURITY_REASONS");
  CHECK(actor(R"({"type":"AWSAccount","accountId":"444455556666"})") == "aws_account:444455556666");
  CHECK(actor(R"({"type":"WebIdentityUser","principalId":"p","userName":"w"})") == "federated_user:w");
  CHECK(actor(R"({"type":"IAMUser"})") == "aws_principal:IAMUser");
  CHECK(actor("{}") == "aws_principal:unknown");
  CHECK(actor("null") == "aws_principal:unknown");
  const ingest::Event& both = import.only(record(
      R"({"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mira","invokedBy":"cloudformation.amazonaws.com"})"));
  CHECK(both.actor.type == "iam_user");
  CHECK(column(both, "invoked_by") == "cloudformation.amazonaws.com");
}

TEST_CASE("cloudtrail: outcome comes from errorCode, and of ConsoleLogin from its response") {
  ImportFixture import("cloudtrail", "");
  const auto outcome = [&](const std::string& more) { return import.only(record(kUser, more)).outcome; };
  CHECK(outcome(R"(,"errorCode":"AccessDenied")") == codec::Outcome::kDenied);
  CHECK(outcome(R"(,"errorCode":"Client.UnauthorizedOperation")") == codec::Outcome::kDenied);
  CHECK(outcome(R"(,"errorCode":"NoSuchEntityException")") == codec::Outcome::kFailure);
  CHECK(outcome(R"(,"errorCode":"ThrottlingException")") == codec::Outcome::kFailure);
  CHECK(outcome(R"(,"errorCode":null)") == codec::Outcome::kSuccess);
  std::string login = record(kUser, R"(,"responseElements":{"ConsoleLogin":"Failure"},"errorMessage":"x")");
  login.replace(login.find("GetObject"), 9, "ConsoleLogin");
  const ingest::Event& failed = import.only(login);
  CHECK(failed.outcome == codec::Outcome::kFailure);
  CHECK(failed.action_class == codec::ActionClass::kAuth);
  CHECK(column(failed, "outcome_raw") == "Failure");
}

TEST_CASE("cloudtrail: a sourceIPAddress that is a service name is no address, and sharedEventID is kept") {
  ImportFixture import("cloudtrail", "");
  std::string text = record(kUser, R"(,"sharedEventID":"s-1")");
  text.replace(text.find("198.51.100.7"), 12, "AWS Internal");
  const ingest::Event& event = import.only(text);
  CHECK(event.source_ip.empty());
  CHECK(column(event, "source_host") == "AWS Internal");
  CHECK(column(event, "shared_event_id") == "s-1");
}

TEST_CASE("cloudtrail: LookupEvents keeps the outer text and maps the record inside, Logstash's time is found") {
  ImportFixture import("cloudtrail", "");
  const std::string outer =
      R"({"Events":[{"EventId":"e-1","ReadOnly":"true","EventTime":"2026-02-03 19:00:11+11:00","Resources":[],)"
      R"("CloudTrailEvent":"{\"eventTime\":\"2026-02-03T08:00:11Z\",\"eventName\":\"ListUsers\",)"
      R"(\"eventSource\":\"iam.amazonaws.com\",\"userIdentity\":{\"type\":\"Root\",\"accountId\":\"1\"}}"}]})";
  const ingest::Event& event = import.only(outer);
  CHECK(event.action == "ListUsers");
  CHECK(event.actor.type == "root");
  CHECK(as_text(event.content) == outer.substr(11, outer.size() - 13));
  const ingest::Event& logstash =
      import.only(R"({"@timestamp":"2026-02-03T08:00:11.000Z","eventName":"X","userIdentity":{"sessionContext":{}}})");
  CHECK(logstash.occurred_at == *parse_rfc3339("2026-02-03T08:00:11Z"));
}

TEST_CASE("cloudtrail: what is no record is parked with a reason") {
  ImportFixture import("cloudtrail", "");
  CHECK_THAT(import.rejected(R"({"kind": 0})"), ContainsSubstring("no eventName"));
  CHECK_THAT(import.rejected(R"({"eventName":"X"})"), ContainsSubstring("no eventTime"));
  CHECK_THAT(import.rejected(R"({"eventName":"X","eventTime":"Jul 10, 2023"})"), ContainsSubstring("RFC 3339"));
  CHECK_THAT(import.rejected(R"({"eventName":"X","eventTime":"2999-01-01T00:00:00Z"})"), ContainsSubstring("ahead"));
  CHECK_THAT(import.rejected(R"({"eventName":"X","eventTime":})"), ContainsSubstring("not JSON"));
  CHECK_THAT(import.rejected(R"({"CloudTrailEvent":"{"})"), ContainsSubstring("CloudTrailEvent"));
}

}  // namespace
}  // namespace khipu::import
