// A scoped caller: every answer is as if the log held nothing else.
#include "mcp/tools/resources.h"
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

// Two sources that share one user; "secret" stands in whatever lies outside the scope `billing`.
struct ScopedDesk : Desk {
  ScopedDesk() {
    Spec ours, theirs, shared;
    ours.actor = {"user", "u-1", {{"name", "alice"}}, false};
    ours.source = "billing";
    ours.action = "PUT";
    ours.targets = {doc("d-1", "invoice")};
    theirs.actor = {"user", "u-secret", {{"name", "secret bob"}}, false};
    theirs.source = "secret-source";
    theirs.action = "SECRET";
    theirs.targets = {doc("d-secret", "secret plan")};
    theirs.text = "secret text";
    shared.actor = {"user", "u-1", {{"name", "alice secret"}}, false};  // a version only the other source brings
    shared.source = "secret-source";
    log.add({ours, theirs, shared});
    context.caller_.scope.sources = {"billing"};
  }
  // As the scope has it: nothing of the other source in either form.
  OrderedJson clean(const std::string& name, const Json& arguments = Json::object()) {
    const OrderedJson answer = good(name, arguments);
    CHECK(answer.dump().find("ecret") == std::string::npos);
    CHECK(answer.dump().find("SECRET") == std::string::npos);
    CHECK(text.find("ecret") == std::string::npos);
    return answer;
  }
};

}  // namespace

TEST_CASE("scope: query, counts, samples, coverage and describe hold the caller's events alone") {
  ScopedDesk desk;
  const OrderedJson page = desk.clean("audit_query", {{"detail", "detailed"}});
  CHECK(page["total"] == 1);
  CHECK(page["events"][0]["seq"] == 0);
  const OrderedJson groups = desk.clean("audit_aggregate", {{"group_by", {"action"}}});
  CHECK(groups["sum"] == 1);
  CHECK(groups["groups"].size() == 1);
  CHECK(desk.clean("audit_sample", {{"n", 10}, {"seed", "s"}})["population"] == 1);
  CHECK(desk.clean("audit_coverage")["sources"].size() == 1);
  const OrderedJson facts = desk.clean("audit_describe");
  CHECK(facts["events"] == 1);
  CHECK(facts["sources"].size() == 1);
}

TEST_CASE("scope: an event outside is not found, and not a neighbour") {
  ScopedDesk desk;
  CHECK(desk.bad("audit_get_event", {{"seq", {1}}})["code"] == "NOT_FOUND");
  const OrderedJson event = desk.clean("audit_get_event", {{"seq", {0}}, {"around", 5}});
  CHECK(event["events"].size() == 1);
}

TEST_CASE("scope: entities and versions that only others named are unknown, by name and by ref") {
  ScopedDesk desk;
  CHECK(desk.clean("audit_find_entity", {{"text", "d-"}})["entities"].size() == 1);
  CHECK(desk.good("audit_find_entity", {{"text", "secret"}})["entities"].empty());
  CHECK(desk.bad("audit_history", {{"entity", "user:u-secret"}})["code"] == "NOT_FOUND");
  CHECK(desk.bad("audit_history", {{"entity", "secret bob"}})["code"] == "NOT_FOUND");
  const OrderedJson history = desk.clean("audit_history", {{"entity", "user:u-1"}});
  CHECK(history["total"] == 1);
  CHECK(history["versions"][0]["seq"] == 0);
  CHECK(desk.good("audit_query", {{"actor", {"user:u-secret"}}})["total"] == 0);
}

TEST_CASE("scope: types bound events to those whose every entity is of them") {
  ScopedDesk desk;
  desk.context.caller_.scope = {};
  desk.context.caller_.scope.types = {"user"};
  const OrderedJson page = desk.good("audit_query");
  CHECK(page["total"] == 1);  // the one without a target
  CHECK(page["events"][0]["seq"] == 2);
  CHECK(page["caller_scope"]["types"] == OrderedJson{"user"});
  CHECK(header(desk.text, "caller_scope") == "only what is told of types=user");
  const OrderedJson facts = desk.good("audit_describe", {{"section", "types"}});
  CHECK(facts["types"].size() == 1);
  CHECK(desk.bad("audit_history", {{"entity", "doc:d-1"}})["code"] == "NOT_FOUND");
}

TEST_CASE("scope: what is appended later is seen as far as the scope goes") {
  ScopedDesk desk;
  REQUIRE(desk.good("audit_query")["total"] == 1);
  Spec later;
  later.source = "billing";
  later.targets = {doc("d-secret")};  // from now on the scope names it
  desk.log.add(later);
  CHECK(desk.good("audit_query")["total"] == 2);
  CHECK(desk.good("audit_history", {{"entity", "doc:d-secret"}})["total"] == 1);
}

TEST_CASE("scope: no count of rows that were looked at, no time, no type tells of what lies outside") {
  ScopedDesk desk;
  for (const Json& asked : {Json{{"source", {"secret-source"}}}, Json{{"action", {"SECRET"}}}, Json::object()}) {
    const OrderedJson page = desk.good("audit_query", asked);
    CHECK_FALSE(page.contains("scanned"));
    CHECK(header(desk.text, "scanned").empty());
    CHECK(page["coverage"]["retained_from"].is_null());
    CHECK(header(desk.text, "retained_from").empty());
  }
  CHECK(desk.good("audit_describe")["coverage"]["retained_from"].is_null());
  desk.context.caller_.scope = {};
  CHECK_FALSE(desk.good("audit_query").contains("caller_scope"));
  CHECK(desk.good("audit_query")["scanned"].is_number());
  CHECK(desk.good("audit_query")["coverage"]["retained_from"].is_string());
  desk.context.caller_.scope.types = {"user"};
  for (const char* type : {"zz", "doc"}) {  // of which one is there
    INFO(type);
    for (const OrderedJson& error :
         {desk.bad("audit_find_entity", {{"text", "x"}, {"type", type}}), desk.bad("audit_describe", {{"type", type}}),
          desk.bad("audit_query", {{"actor_match", {{"type", type}, {"field", "name"}, {"value", "x"}}}})}) {
      CHECK(error["code"] == "UNKNOWN_TYPE");
      CHECK(error["allowed"] == OrderedJson::array({"user"}));
    }
    const OrderedJson page = desk.good("audit_query", {{"actor", {std::string(type) + ":x"}}});
    CHECK(page["notes"][0]["code"] == "UNKNOWN_ENTITY");
  }
}

TEST_CASE("scope: a version that an event outside brought has the time of the first event inside that names it") {
  Desk desk;
  const auto of = [](TimeUs seconds, const char* source, std::map<std::string, std::string> fields) {
    return Spec{
        .time = kStart + seconds * 1'000'000, .actor = {"user", "u", std::move(fields), false}, .source = source};
  };
  desk.log.add({of(1, "payroll", {{"name", "one"}}), of(2, "web", {}), of(3, "payroll", {{"name", "two"}}),
                of(4, "web", {}), of(5, "web", {}), of(6, "web", {{"name", "three"}})});
  desk.context.caller_.scope.sources = {"web"};
  const OrderedJson history = desk.good("audit_history", {{"entity", "user:u"}});
  REQUIRE(history["versions"].size() == 3);
  const std::vector<TimeUs> times = {2, 4, 6};
  for (size_t i = 0; i < times.size(); ++i) {
    CHECK(history["versions"][i]["time"] == tools::time_text(kStart + times[i] * 1'000'000));
    CHECK(history["versions"][i].contains("seq") == (i == 2));
    CHECK(history["versions"][i].contains("changed_by") == (i == 2));
  }
  const std::string third = tools::time_text(kStart + 3'500'000);
  CHECK(desk.good("audit_history", {{"entity", "user:u"}, {"to", third}})["total"] == 1);
  CHECK(desk.good("audit_history", {{"entity", "user:u"}, {"at", third}})["fields"]["name"].dump().find("one") !=
        std::string::npos);
}

TEST_CASE("scope: a cursor and an export are no more than the caller may see who follows them") {
  ScopedDesk desk;
  const server::Caller narrow = desk.context.caller_;
  desk.context.caller_.scope = {};
  desk.log.add(Spec{});
  const OrderedJson wide = desk.good("audit_query", {{"limit", 1}, {"export", true}});
  const std::string id = wide["export"].get<std::string>().substr(tools::kExportPrefix.size());
  const std::string changes = desk.good("audit_history", {{"entity", "user:u-1"}, {"limit", 1}})["more"]["cursor"];
  CHECK(desk.audit.exports.find(id, desk.context.caller_.authority(), kStart) != nullptr);
  server::Caller fewer = desk.context.caller_;
  fewer.grants = {"query"};
  for (const server::Caller& other : {narrow, fewer}) {
    desk.context.caller_ = other;
    CHECK(desk.bad("audit_query", {{"cursor", wide["more"]["cursor"]}})["code"] == "CURSOR_MISMATCH");
    CHECK(desk.bad("audit_history", {{"entity", "user:u-1"}, {"cursor", changes}})["code"] == "CURSOR_MISMATCH");
    const auto resources = tools::make_resources(desk.audit);
    const auto read = resources->read(wide["export"], desk.context);
    CHECK((read.ok() ? "read" : code_name(read.error().code)) == code_name(Code::kNotFound));
  }
}

TEST_CASE("grants: tools are listed and answered by grant, and the access log needs its own") {
  Desk desk;
  desk.context.caller_.grants = {"verify"};
  CHECK_FALSE(desk.tool("audit_query").is_listed(desk.context.caller_));
  CHECK(desk.tool("audit_verify").is_listed(desk.context.caller_));
  CHECK(desk.bad("audit_query", Json::object())["code"] == "FORBIDDEN");
  desk.context.caller_.grants = {"query"};
  CHECK(desk.bad("audit_verify", Json::object())["code"] == "FORBIDDEN");
  CHECK(desk.bad("audit_query", {{"log", "access"}})["code"] == "FORBIDDEN");
  desk.context.caller_.grants = {"query", "access_log"};
  CHECK(desk.good("audit_query", {{"log", "access"}})["total"] == 0);
}
