// What goes on behind a page, and what an answer says of the question: cursors, reasons, echoes and notes in bounds.
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

void add_versions(Desk& desk, int count) {
  for (int i = 0; i < count; ++i) {
    desk.log.add({.time = kStart + i * 1'000'000LL,
                  .actor = {"user", "u-1", {{"name", "a rather long name " + std::to_string(i)}}, false}});
  }
}

Json names(const std::string& stem, int count) {
  Json list = Json::array();
  for (int i = 0; i < count; ++i) list.push_back(stem + std::to_string(i));
  return list;
}

}  // namespace

TEST_CASE("paging: a history that max_tokens cut says so, and one cut by limit says that") {
  Desk desk;
  add_versions(desk, 40);
  const OrderedJson tight = desk.good("audit_history", {{"entity", "user:u-1"}, {"limit", 200}, {"max_tokens", 500}});
  CHECK(tight["more"]["reason"] == "budget");
  const OrderedJson wide = desk.good("audit_history", {{"entity", "user:u-1"}, {"limit", 3}});
  CHECK(wide["more"]["reason"] == "row_limit");
  CHECK(header(desk.text, "more") == "row_limit");
}

TEST_CASE("paging: a history's cursor is enough alone, and with anything else than its question it is refused") {
  Desk desk;
  add_versions(desk, 5);
  const Json asked = {{"entity", "user:u-1"}, {"limit", 2},         {"from", "2026-06-15"}, {"tz", "Europe/London"},
                      {"view", "versions"},   {"axis", "occurred"}, {"fields", {"name"}}};
  const OrderedJson first = desk.good("audit_history", asked);
  const Json cursor = first["more"]["cursor"];
  const OrderedJson alone = desk.good("audit_history", {{"cursor", cursor}, {"limit", 2}});
  CHECK(alone["entity"] == first["entity"]);
  CHECK(alone["window"] == first["window"]);
  CHECK(alone["total"] == 5);
  REQUIRE(alone["versions"].size() == 2);
  CHECK(alone["versions"][0]["version"] == 2);
  CHECK(alone["versions"][0].contains("fields"));
  Json again = asked;
  again["cursor"] = cursor;
  CHECK(desk.good("audit_history", again)["versions"] == alone["versions"]);
  CHECK(desk.bad("audit_history", {{"cursor", cursor}, {"entity", "user:u-2"}})["code"] != "");
  CHECK(desk.bad("audit_history", {{"cursor", cursor}, {"fields", {"mail"}}})["code"] == "CURSOR_MISMATCH");
  CHECK(desk.bad("audit_history", {{"cursor", cursor}, {"from", "2026-06-14"}})["code"] == "CURSOR_MISMATCH");
  CHECK(desk.bad("audit_history", {{"limit", 2}})["code"] == "INVALID_ARGUMENT");
}

TEST_CASE("paging: an empty cursor is not the beginning") {
  Desk desk;
  add_versions(desk, 3);
  CHECK(desk.bad("audit_query", {{"cursor", ""}})["code"] == "CURSOR_INVALID");
  CHECK(desk.bad("audit_history", {{"entity", "user:u-1"}, {"cursor", ""}})["code"] == "CURSOR_INVALID");
}

TEST_CASE("echo: names that nobody knows make one note, and a long list is cut in applied") {
  Desk desk;
  add_versions(desk, 3);
  for (const int count : {100, 1000}) {
    const OrderedJson page =
        desk.good("audit_query", {{"actor", names("user:leaver-", count)}, {"limit", 1}, {"max_tokens", 500}});
    CHECK(page["total"] == 0);
    REQUIRE(page["notes"].size() == 1);
    CHECK(page["notes"][0]["code"] == "UNKNOWN_ENTITY");
    CHECK(page["notes"][0].dump().find(std::to_string(count)) != std::string::npos);
    const OrderedJson& actors = page["applied"]["actor"];
    CHECK(actors.size() <= 21);
    CHECK(actors.back() == "(+" + std::to_string(count - 20) + " more)");
    CHECK(page.dump().size() < 500 * 3 + 1500);
  }
  const OrderedJson few = desk.good("audit_query", {{"actor", {"user:x", "user:y"}}, {"target", {"user:z"}}});
  REQUIRE(few["notes"].size() == 2);
  CHECK(few["notes"][0]["subject"].dump().find("user:x") != std::string::npos);
  CHECK(few["applied"]["actor"].size() == 2);
}

TEST_CASE("echo: a filter with more values than a question may have is refused with the remedy") {
  Desk desk;
  add_versions(desk, 3);
  const OrderedJson error = desk.bad("audit_query", {{"action", names("a", 90'000)}, {"limit", 1}});
  CHECK(error["code"] == "INVALID_ARGUMENT");
  CHECK(error["field"] == "action");
  CHECK(error["hint"].dump().find("1,000") != std::string::npos);
  CHECK(desk.good("audit_query", {{"action", names("a", 1000)}, {"limit", 1}, {"max_tokens", 500}})["total"] == 0);
  CHECK(desk.bad("audit_aggregate", {{"not", {{"source", names("s", 1001)}}}})["field"] == "not.source");
}

TEST_CASE("errors: the server's own examples are not marked as text of the log") {
  Desk desk;
  for (const Json& asked : {Json{{"from", "x"}}, Json{{"from", "2026-02-01"}, {"to", "2026-01-01"}},
                            Json{{"from", "2026-06-15T10:00:00"}}}) {
    const OrderedJson error = desk.bad("audit_query", asked);
    INFO(error.dump());
    CHECK((error.contains("allowed") || error.contains("did_you_mean")));
    CHECK(error.dump().find("\xE2\x9F\xA6") == std::string::npos);
  }
}
