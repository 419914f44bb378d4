#include "tests/engine/import/import_fixture.h"

namespace khipu::import {
namespace {

std::string entry(const std::string& more) {
  return R"({"__REALTIME_TIMESTAMP":"1770105600000001","__CURSOR":"s=1;i=2","_HOSTNAME":"host-1")" + more + "}";
}

TEST_CASE("journald: an entry fills the canonical members and keeps its bytes") {
  ImportFixture import("journald", "");
  const std::string text = entry(
      R"(,"_SOURCE_REALTIME_TIMESTAMP":"1770105600000000","_AUDIT_LOGINUID":"1000","_UID":"0","_SYSTEMD_UNIT":"ssh.service",)"
      R"("_AUDIT_SESSION":"7","SYSLOG_IDENTIFIER":"sudo","PRIORITY":"5","MESSAGE":"m","_PID":"42")");
  const ingest::Event& event = import.only(text);
  CHECK(as_text(event.content) == text);
  CHECK(event.occurred_at == 1770105600000000);  // the source's time, not the time of receipt
  CHECK(event.actor.type == "linux_user");
  CHECK(event.actor.id == "1000");  // the login uid, not the one it became
  CHECK(event.action == "sudo");
  CHECK(event.url == "ssh.service");
  CHECK(event.session == "7");
  CHECK(event.source == "host-1");
  CHECK(event.event_id == "s=1;i=2");
  CHECK(event.outcome == codec::Outcome::kUnknown);
  CHECK(column(event, "priority") == "5");
}

TEST_CASE("journald: MESSAGE may be an array of bytes or null, fields may repeat, and the text stays as it came") {
  ImportFixture import("journald", "");
  const std::string bytes = entry(R"(,"_UID":"1","MESSAGE":[104,255,0],"SYSLOG_IDENTIFIER":[115,115,104])");
  CHECK(as_text(import.only(bytes).content) == bytes);
  CHECK(import.sink.events.back().action == "ssh");
  CHECK(import.only(entry(R"(,"MESSAGE":null,"_COMM":"cat","SYSLOG_IDENTIFIER":null)")).action == "cat");
  CHECK(import.only(entry(R"(,"SYSLOG_IDENTIFIER":["first","second"])")).action == "first");
  CHECK(import.only(entry(R"(,"SYSLOG_IDENTIFIER":[255,254])")).action == "entry");  // not UTF-8: only in the content
}

TEST_CASE("journald: unset ids are nobody, and the kernel is a service") {
  ImportFixture import("journald", "");
  const ingest::Event& unset =
      import.only(entry(R"(,"_AUDIT_LOGINUID":"4294967295","_AUDIT_SESSION":"4294967295","_UID":"33")"));
  CHECK(unset.actor.id == "33");
  CHECK(unset.session.empty());
  const ingest::Event& kernel = import.only(entry(R"(,"_TRANSPORT":"kernel","SYSLOG_IDENTIFIER":"kernel")"));
  CHECK(kernel.actor.type == "linux_service");
  CHECK(kernel.actor.id == "kernel");
}

TEST_CASE("journald: systemd's message ids have rules, and name the unit they are about") {
  ImportFixture import("journald", "");
  const ingest::Event& failed =
      import.only(entry(R"(,"MESSAGE_ID":"be02cf6855d2428ba40df7e9d022f03d","UNIT":"web.service","_UID":"0")"));
  CHECK(failed.action == "unit.failed");
  CHECK(failed.outcome == codec::Outcome::kFailure);
  REQUIRE(failed.targets.size() == 1);
  CHECK(failed.targets[0].id == "web.service");
}

TEST_CASE("journald: the export format is read too, with its sized values") {
  ImportFixture import("journald", "");
  const std::string text = std::string("__REALTIME_TIMESTAMP=1770105600000001\n_UID=5\nMESSAGE\n") +
                           std::string("\x03\0\0\0\0\0\0\0", 8) + "a\n\n\nSYSLOG_IDENTIFIER=x\n";
  const ingest::Event& event = import.only(text + "\n");
  CHECK(as_text(event.content) == text);
  CHECK(event.content_kind == codec::ContentKind::kText);
  CHECK(event.actor.id == "5");
  CHECK(event.action == "x");
}

TEST_CASE("journald: what is no entry is parked with a reason") {
  ImportFixture import("journald", "");
  CHECK_THAT(import.rejected(R"({"message":"from a shipper"})"), ContainsSubstring("no __REALTIME_TIMESTAMP"));
  CHECK_THAT(import.rejected(R"({"__REALTIME_TIMESTAMP":"today"})"), ContainsSubstring("microseconds"));
  CHECK_THAT(import.rejected(R"({"__REALTIME_TIMESTAMP":"99999999999999999999"})"), ContainsSubstring("microseconds"));
}

}  // namespace
}  // namespace khipu::import
