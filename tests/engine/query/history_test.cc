#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

History ask(TestLog& log, std::string entity) {
  HistoryRequest request;
  request.entity = std::move(entity);
  return good(log.engine().history(request));
}

// v0 draft, v1 final with a mail, v2 deleted, v3 again.
void four_versions(TestLog& log) {
  log.add({.time = kStart + 10, .actor = user("u-1"), .targets = {doc("d", "draft")}});
  log.add({.time = kStart + 20,
           .actor = user("u-2"),
           .targets = {{"doc", "d", {{"name", "final"}, {"mail", "d@x"}}, false}}});
  log.add({.time = kStart + 30, .actor = user("u-1"), .targets = {{"doc", "d", {}, true}}});
  log.add({.time = kStart + 40, .actor = user("u-3"), .targets = {doc("d", "new")}});
}

}  // namespace

TEST_CASE("history: every version says what changed, when, by which event and by whom") {
  TestLog log;
  four_versions(log);
  const History history = ask(log, "doc:d");
  REQUIRE(history.total == 4);
  REQUIRE(history.versions.size() == 4);
  CHECK(history.name == "new");
  CHECK_FALSE(history.deleted);
  const auto& v = history.versions;
  CHECK(v[0].time == kStart + 10);
  CHECK(v[0].seq == Row{0});
  REQUIRE(v[0].changes.size() == 1);
  CHECK_FALSE(v[0].changes[0].from.has_value());
  CHECK(v[0].changes[0].to->text == "draft");
  CHECK(v[1].changed_by->ref() == "user:u-2");
  REQUIRE(v[1].changes.size() == 2);
  for (const FieldChange& change : v[1].changes) {
    if (change.field == "mail") CHECK_FALSE(change.from.has_value());
    if (change.field == "name") CHECK(change.from->text == "draft");
  }
  CHECK(v[2].deleted);
  CHECK(v[3].revived);
  CHECK_FALSE(v[3].deleted);
  REQUIRE(v[3].fields.size() == 1);  // starts from the fields given alone
}

TEST_CASE("history: at an instant there is the version in force then, or none") {
  TestLog log;
  four_versions(log);
  HistoryRequest request;
  request.entity = "doc:d";
  const auto name_at = [&](TimeUs at) {
    request.at = at;
    const History history = good(log.engine().history(request));
    return history.versions.empty() ? std::string("-") : std::to_string(history.versions[0].version);
  };
  CHECK(name_at(kStart + 9) == "-");
  CHECK(name_at(kStart + 10) == "0");
  CHECK(name_at(kStart + 29) == "1");
  CHECK(name_at(kStart + 30) == "2");
  CHECK(name_at(kStart + 4000) == "3");
}

TEST_CASE("history: windows, fields and pages narrow it and the pages hold every version once") {
  TestLog log;
  four_versions(log);
  HistoryRequest request;
  request.entity = "doc:d";
  request.from = kStart + 20;
  request.to = kStart + 40;
  CHECK(good(log.engine().history(request)).total == 2);
  request.from.reset();
  request.to.reset();
  request.fields = {"mail"};
  CHECK(good(log.engine().history(request)).total == 2);  // set with v1, gone with v3
  request.fields = {"nmae"};
  CHECK(log.engine().history(request).error().code == "UNKNOWN_FIELD");
  request.fields.clear();
  request.limit = 3;
  History page = good(log.engine().history(request));
  REQUIRE(page.cursor.has_value());
  CHECK(page.versions.size() == 3);
  log.add({.time = kStart + 50, .targets = {doc("d", "newest")}});
  request.cursor = *page.cursor;
  page = good(log.engine().history(request));
  REQUIRE(page.versions.size() == 1);
  CHECK(page.versions[0].version == 3);
  CHECK(page.total == 4);
  CHECK_FALSE(page.cursor.has_value());
  request.entity = "user:u-1";
  CHECK(log.engine().history(request).error().code == "CURSOR_MISMATCH");
}

TEST_CASE("history: an entity is named by ref, id or name, nobody, several and unknown types are told apart") {
  TestLog log;
  four_versions(log);
  log.add({.targets = {doc("e", "same"), doc("f", "same")}});
  CHECK(ask(log, "draft").ref == "doc:d");
  CHECK(ask(log, "draft").notes.at(0).code == "NAME_MATCHED_OLD_VERSION");
  CHECK(ask(log, "u-2").ref == "user:u-2");
  HistoryRequest request;
  const auto code = [&](std::string entity) {
    request.entity = std::move(entity);
    return log.engine().history(request).error();
  };
  CHECK(code("doc:zz").code == "NOT_FOUND");
  CHECK(code("zz").code == "NOT_FOUND");
  CHECK(code("dco:d").code == "UNKNOWN_TYPE");
  CHECK(code("dco:d").did_you_mean == "doc");
  const QueryError several = code("same");
  CHECK(several.code == "AMBIGUOUS_ENTITY");
  CHECK(several.allowed == std::vector<std::string>{"doc:e", "doc:f"});
}
