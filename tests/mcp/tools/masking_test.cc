// A caller without the grant `reveal` finds nothing by what is masked for it: a search would be a way to guess.
#include "tests/mcp/tools/desk.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::tests;

namespace {

query::OwnedValue text_value(std::string_view text) { return query::OwnedValue(codec::Value::of_text(text)); }

struct MaskedDesk : Desk {
  MaskedDesk() {
    codec::ColumnSchema column;
    column.name = "access_key_id";
    column.indexed = true;
    codec::TypeSchema agent;
    agent.name = "agent";
    for (const char* name : {"name", "api_secret"}) agent.fields.push_back({name, codec::ValueKind::kText, false, {}});
    ingest::Batch definitions;
    definitions.statements = {codec::TypeStatement{agent}, codec::ColumnStatement{column}};
    REQUIRE(log.writer().submit_and_wait(std::move(definitions)).ok());
    log.add({.actor = {"user", "u-1", {{"name", "token=tangerine99"}}, false},
             .url = "/login?password=urlsecret12&next=home",
             .text = R"({"accessKeyId":"AKIAIOSFODNN7EXAMPLE","note":"plainword, password=hunter2hunter"})",
             .custom = {{"access_key_id", text_value("customsecret1")}}});
    log.add({.actor = {"agent", "a-1", {{"name", "robot"}, {"api_secret", "attributesecret"}}, false},
             .text = "the key customsecret2 and attributesecret were used by robot",
             .custom = {{"access_key_id", text_value("customsecret2")}}});
  }
  uint64_t total(const Json& arguments) { return good("audit_query", arguments)["total"].get<uint64_t>(); }
  void conceal() { context.caller_.grants = {"query"}; }
};

const std::vector<Json> kGuesses = {
    {{"text", "AKIAIOSF"}},
    {{"text", "hunter2"}},
    {{"text", "customsecret2"}},
    {{"text", "attributesec"}},
    {{"url_prefix", "/login?password=urls"}},
    {{"custom", {{"access_key_id", "customsecret1"}}}},
    {{"actor_match", {{"type", "user"}, {"field", "name"}, {"value", "tanger"}, {"match", "contains"}}}},
    {{"actor_match", {{"type", "user"}, {"field", "name"}, {"value", "token=tan"}, {"match", "prefix"}}}},
    {{"actor_match", {{"type", "agent"}, {"field", "api_secret"}, {"value", "attr"}, {"match", "prefix"}}}},
    {{"actor_match", {{"type", "agent"}, {"field", "api_secret"}, {"value", "attributesecret"}, {"match", "exact"}}}},
};

}  // namespace

TEST_CASE("masking: no search finds an event by what is masked, for a caller without reveal") {
  MaskedDesk desk;
  for (const Json& guess : kGuesses) {
    INFO(guess.dump());
    CHECK(desk.total(guess) == 1);
  }
  desk.conceal();
  for (const Json& guess : kGuesses) {
    INFO(guess.dump());
    CHECK(desk.total(guess) == 0);
    if (!guess.contains("actor_match")) CHECK(desk.text.find("MASKED") != std::string::npos);
  }
}

TEST_CASE("masking: no guess leaves an event out either, and what is shown is found") {
  MaskedDesk desk;
  desk.conceal();
  for (const Json& guess : kGuesses) {
    INFO(guess.dump());
    if (!guess.contains("actor_match")) CHECK(desk.total({{"not", guess}}) == 2);
  }
  CHECK(desk.total({{"text", "plainword"}}) == 1);
  CHECK(desk.total({{"text", "accesskeyid"}}) == 1);
  CHECK(desk.total({{"text", "were used"}}) == 1);
  CHECK(desk.total({{"url_prefix", "/login?password="}}) == 1);
  CHECK(desk.total({{"actor", {"robot"}}}) == 1);
  CHECK(desk.total({{"not", {{"text", "plainword"}}}}) == 1);
}

TEST_CASE("masking: searches give the same answers from an index") {
  MaskedDesk desk;
  desk.log.wait_until_indexed();
  desk.conceal();
  for (const Json& guess : kGuesses) {
    INFO(guess.dump());
    CHECK(desk.total(guess) == 0);
    if (!guess.contains("actor_match")) CHECK(desk.total({{"not", guess}}) == 2);
  }
}

TEST_CASE("masking: names, groups and strata show and find no more than rows do") {
  MaskedDesk desk;
  desk.conceal();
  CHECK(desk.good("audit_find_entity", {{"text", "tangerine"}})["entities"].empty());
  CHECK(desk.good("audit_find_entity", {{"text", "u-1"}})["entities"].size() == 1);
  desk.good("audit_aggregate", {{"group_by", {"custom.access_key_id"}}});
  CHECK(desk.text.find("customsecret") == std::string::npos);
  CHECK(desk.text.find("[secret masked, 13 bytes]") != std::string::npos);
  desk.good("audit_sample", {{"n", 2}, {"seed", "s"}, {"stratify_by", "custom.access_key_id"}});
  CHECK(desk.text.find("customsecret") == std::string::npos);
}

TEST_CASE("masking: a value that its column hides is hidden in content, too, until the grant shows it") {
  MaskedDesk desk;
  for (const Json& arguments : {Json{{"seq", 0}}, Json{{"seq", 1}}}) {
    desk.good("audit_get_event", arguments);
    for (const char* secret : {"AKIAIOSF", "hunter2", "customsecret", "attributesecret", "urlsecret"}) {
      INFO(secret << "\n" << desk.text);
      CHECK(desk.text.find(secret) == std::string::npos);
    }
  }
  desk.good("audit_get_event", {{"seq", 1}, {"reveal", {"content"}}});
  CHECK(desk.text.find("the key customsecret2 and attributesecret") != std::string::npos);
}

TEST_CASE("masking: a value that its column hides is hidden in other columns, urls, groups and strata, too") {
  MaskedDesk desk;
  codec::ColumnSchema note;
  note.name = "note";
  note.indexed = true;
  ingest::Batch definitions;
  definitions.statements = {codec::ColumnStatement{note}};
  REQUIRE(desk.log.writer().submit_and_wait(std::move(definitions)).ok());
  desk.log.add({.actor = {"user", "u-1", {}, false},
                .url = "/reset/hunter2xx/done",
                .custom = {{"access_key_id", text_value("hunter2xx")}, {"note", text_value("hunter2xx")}}});
  desk.log.add({.actor = {"user", "u-1", {}, false}, .custom = {{"note", text_value("plain")}}});
  const auto of_note = [](const char* value) { return Json{{"custom", {{"note", value}}}}; };
  CHECK(desk.total(of_note("hunter2xx")) == 1);
  desk.conceal();
  for (const bool indexed : {false, true}) {
    if (indexed) desk.log.wait_until_indexed();
    CHECK(desk.total(of_note("hunter2xx")) == 0);
    CHECK(desk.total(of_note("plain")) == 1);
    CHECK(desk.total({{"not", of_note("hunter2xx")}}) == 4);
    CHECK(desk.total({{"not", of_note("plain")}}) == 3);
    for (const char* key : {"url", "custom.note", "custom.access_key_id"}) {
      INFO(key);
      desk.good("audit_aggregate", {{"group_by", {key}}});
      CHECK(desk.text.find("hunter2xx") == std::string::npos);
      desk.good("audit_sample", {{"n", 2}, {"seed", "s"}, {"stratify_by", key}});
      CHECK(desk.text.find("hunter2xx") == std::string::npos);
    }
    desk.good("audit_aggregate", {{"group_by", {"url"}}});
    CHECK(desk.text.find("/reset/[masked]/done") != std::string::npos);
  }
}

TEST_CASE("masking: a value that one field of an entity hides is hidden in its others, in searches and in histories") {
  MaskedDesk desk;
  desk.log.add({.actor = {"agent", "a-2", {{"name", "uses hunter2xx"}, {"api_secret", "hunter2xx"}}, false}});
  const auto of_name = [](const char* value, const char* match) {
    return Json{{"actor_match", {{"type", "agent"}, {"field", "name"}, {"value", value}, {"match", match}}}};
  };
  CHECK(desk.total(of_name("uses hunter2xx", "exact")) == 1);
  desk.conceal();
  for (const bool indexed : {false, true}) {
    if (indexed) desk.log.wait_until_indexed();
    CHECK(desk.total(of_name("uses hunter2xx", "exact")) == 0);
    CHECK(desk.total(of_name("uses hunt", "prefix")) == 0);
    CHECK(desk.total(of_name("hunter2", "contains")) == 0);
    CHECK(desk.total(of_name("uses", "prefix")) == 1);
    for (const Json& at : {Json::object(), Json{{"at", "2999-01-01T00:00:00Z"}}}) {
      Json arguments = {{"entity", "agent:a-2"}};
      arguments.update(at);
      desk.good("audit_history", arguments);
      CHECK(desk.text.find("uses") != std::string::npos);
      CHECK(desk.text.find("hunter2xx") == std::string::npos);
    }
  }
}

TEST_CASE("masking: how many rows were looked at is not told to a caller who could count by it what is hidden") {
  MaskedDesk desk;
  CHECK(desk.good("audit_query", {{"url_prefix", "/login?password=urls"}})["scanned"].is_number());
  desk.conceal();
  CHECK_FALSE(desk.good("audit_query", {{"url_prefix", "/login?password=urls"}}).contains("scanned"));
  CHECK(header(desk.text, "scanned").empty());
}
