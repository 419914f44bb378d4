// A caller without the grant `reveal` finds nothing by what is masked for it: a search would be a way to guess.
#include "mcp/tools/prompts.h"
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

TEST_CASE("masking: a number that its field's or column's name hides is hidden, until the grant shows it") {
  MaskedDesk desk;
  codec::ColumnSchema column;
  column.name = "token";
  column.kind = codec::ValueKind::kNumber;
  ingest::Batch batch;
  batch.statements = {codec::TypeStatement{{"safe",
                                            {{"name", codec::ValueKind::kText, false, {}},
                                             {"password", codec::ValueKind::kNumber, false, {}},
                                             {"floor", codec::ValueKind::kNumber, false, {}}}}},
                      codec::ColumnStatement{column}};
  REQUIRE(desk.log.writer().submit_and_wait(std::move(batch)).ok());
  ingest::Batch events;
  for (const int64_t code : {8675309123, 8675309124}) {
    ingest::Event event;
    event.actor.type = "safe";
    event.actor.id = "s-1";
    const ingest::FieldInput fields[] = {{"name", false, codec::Value::of_text("box")},
                                         {"floor", false, codec::Value::of_integer(777001)},
                                         {"password", false, codec::Value::of_integer(code)}};
    event.actor.fields = events.keep(std::span<const ingest::FieldInput>(fields));
    event.action = "open";
    const ingest::ColumnInput token{"token", codec::Value::of_real(8675309.25)};
    event.custom = events.keep(std::span<const ingest::ColumnInput>(&token, 1));
    events.events.push_back(event);
  }
  REQUIRE(desk.log.writer().submit_and_wait(std::move(events)).ok());
  for (const bool reveals : {true, false}) {
    if (!reveals) desk.conceal();
    for (const auto& [tool, arguments] :
         {std::pair<const char*, Json>{"audit_query", {{"actor", {"safe:s-1"}}, {"detail", "detailed"}}},
          {"audit_get_event", {{"seq", 2}}},
          {"audit_history", {{"entity", "safe:s-1"}}},
          {"audit_history", {{"entity", "safe:s-1"}, {"view", "versions"}}},
          {"audit_history", {{"entity", "safe:s-1"}, {"at", "2999-01-01T00:00:00Z"}}}}) {
      const std::string structured = desk.good(tool, arguments).dump();
      INFO(tool << " " << arguments.dump() << "\n" << desk.text);
      for (const std::string& answer : {structured, desk.text}) {
        CHECK(answer.find("8675309") == std::string::npos);
        CHECK(answer.find("[secret masked, 10 bytes]") != std::string::npos);
        CHECK(answer.find("777001") != std::string::npos);
      }
    }
  }
  desk.context.caller_.grants = {"query", "reveal"};
  desk.good("audit_get_event", {{"seq", 2}, {"reveal", {"fields", "custom"}}});
  CHECK(desk.text.find("password=8675309123") != std::string::npos);
  CHECK(desk.text.find("token=8675309.25") != std::string::npos);
}

namespace {

// Whether the masked text stands in any of the answers that tell names of agents.
bool is_told(MaskedDesk& desk, const std::string& secret, const std::string& ref) {
  std::string all;
  for (const auto& [tool, arguments] : {std::pair<const char*, Json>{"audit_query", {{"actor", {ref}}}},
                                        {"audit_query", {{"actor", {ref}}, {"detail", "detailed"}}},
                                        {"audit_find_entity", {{"text", ref}}},
                                        {"audit_history", {{"entity", ref}}}}) {
    all += desk.good(tool, arguments).dump() + desk.text;
  }
  return all.find(secret) != std::string::npos;
}

std::vector<std::string> completed(MaskedDesk& desk, const std::string& typed) {
  return complete_word(desk.audit, "actor", typed, {}, desk.context).values;
}

size_t found(MaskedDesk& desk, const std::string& text) {
  return desk.good("audit_find_entity", {{"text", text}, {"limit", 50}})["entities"].size();
}

}  // namespace

TEST_CASE("masking: an entity whose only text is a secret is not shown by it, nor found") {
  MaskedDesk desk;
  for (int i = 0; i < 40; ++i) desk.log.add({.targets = {doc("d" + std::to_string(i), "paper")}});
  desk.log.add({.actor = {"agent", "a-4", {{"api_secret", "pw4x9"}}, false}});
  desk.log.add({.actor = {"agent", "a-5", {{"api_secret", "longer-secret-77"}}, false}});
  CHECK(found(desk, "pw4x") == 1);
  CHECK(desk.total({{"actor", {"pw4x9"}}}) == 1);
  CHECK(completed(desk, "pw4") == std::vector<std::string>{"agent:a-4"});
  CHECK_FALSE(is_told(desk, "pw4x9", "agent:a-4"));
  desk.conceal();
  for (const bool indexed : {false, true}) {
    if (indexed) desk.log.wait_until_indexed();
    for (const char* guess : {"pw4x9", "pw4", "w4x", "longer-secret-77", "longer"}) {
      INFO(guess << " " << indexed);
      CHECK(found(desk, guess) == 0);
      CHECK(desk.total({{"actor", {guess}}}) == 0);
      CHECK(completed(desk, guess).empty());
      CHECK(desk.bad("audit_history", {{"entity", guess}})["code"] == "NOT_FOUND");
    }
    CHECK_FALSE(is_told(desk, "pw4x9", "agent:a-4"));
    CHECK_FALSE(is_told(desk, "longer", "agent:a-5"));
    CHECK(found(desk, "a-4") == 1);
  }
}

TEST_CASE("masking: an entity's own secret in its name is neither shown nor found, and the rest of the name is") {
  MaskedDesk desk;
  for (int i = 0; i < 40; ++i) desk.log.add({.targets = {doc("d" + std::to_string(i), "paper")}});
  desk.log.add({.actor = {"agent", "a-6", {{"name", "Ann hunter2xx"}, {"api_secret", "hunter2xx"}}, false}});
  CHECK(found(desk, "Ann hunter2") == 1);
  CHECK(desk.total({{"actor", {"Ann hunter2xx"}}}) == 1);
  CHECK(completed(desk, "Ann h") == std::vector<std::string>{"agent:a-6"});
  CHECK_FALSE(is_told(desk, "hunter2xx", "agent:a-6"));
  desk.conceal();
  for (const bool indexed : {false, true}) {
    if (indexed) desk.log.wait_until_indexed();
    for (const char* guess : {"Ann h", "Ann hunter2xx", "hunter2xx", "ter2"}) {
      INFO(guess << " " << indexed);
      CHECK(found(desk, guess) == 0);
      CHECK(desk.total({{"actor", {guess}}}) == 0);
      CHECK(desk.total({{"not", {{"actor", {guess}}}}}) == 43);
      CHECK(completed(desk, guess).empty());
      CHECK(desk.bad("audit_history", {{"entity", guess}})["code"] == "NOT_FOUND");
    }
    CHECK_FALSE(is_told(desk, "hunter2xx", "agent:a-6"));
    CHECK(found(desk, "Ann ") == 1);
    CHECK(completed(desk, "Ann") == std::vector<std::string>{"agent:a-6"});
  }
}

TEST_CASE("masking: actions, sources, types and ids are names, shown alike in rows and in groups") {
  MaskedDesk desk;
  desk.log.add({.actor = {"user", "u-hunter2xx", {}, false},
                .action = "reset hunter2xx",
                .targets = {doc("d-hunter2xx")},
                .url = "/reset/hunter2xx",
                .source = "src-hunter2xx",
                .session = "s-hunter2xx",
                .custom = {{"access_key_id", text_value("hunter2xx")}}});
  desk.log.add({.actor = {"user", "AKIAIOSFODNN7EXAMPLE", {}, false}, .action = "token=hunter2xx"});
  desk.conceal();
  const OrderedJson row =
      desk.good("audit_query", {{"source", {"src-hunter2xx"}}, {"detail", "detailed"}})["events"][0];
  CHECK(row["actor"] == "user:u-hunter2xx");
  CHECK_THAT(row["action"].get<std::string>(), ContainsSubstring("reset hunter2xx"));
  CHECK(row["targets"][0] == "doc:d-hunter2xx");
  CHECK(row["source"] == "src-hunter2xx");
  for (const char* hidden : {"url", "session", "custom"}) {
    INFO(hidden);
    CHECK(row[hidden].dump().find("hunter2xx") == std::string::npos);
  }
  for (const auto& [key, wanted] : {std::pair{"actor", "user:u-hunter2xx"},
                                    {"action", "reset hunter2xx"},
                                    {"target", "doc:d-hunter2xx"},
                                    {"source", "src-hunter2xx"}}) {
    desk.good("audit_aggregate", {{"group_by", {key}}});
    CHECK_THAT(desk.text, ContainsSubstring(wanted));
  }
  // What looks like a secret is masked in them, too.
  const OrderedJson shaped = desk.good("audit_get_event", {{"seq", 3}})["events"][0];
  CHECK(shaped["actor"].get<std::string>().find("AKIA") == std::string::npos);
  CHECK(shaped["action"].get<std::string>().find("hunter2xx") == std::string::npos);
}

TEST_CASE("masking: a hidden value is hidden in JSON content and columns however JSON escapes it, and not spelled") {
  MaskedDesk desk;
  codec::ColumnSchema js;
  js.name = "js";
  js.kind = codec::ValueKind::kJson;
  ingest::Batch definitions;
  definitions.statements = {codec::ColumnStatement{js}};
  REQUIRE(desk.log.writer().submit_and_wait(std::move(definitions)).ok());
  const std::string secret = "ge\"heim-\u00e4\\wort";
  const std::string document = R"({"k":"was ge\"heim-\u00e4\\wort then"})";
  desk.log.add(
      {.actor = {"user", "u-9", {}, false},
       .json = document,
       .custom = {{"access_key_id", text_value(secret)}, {"js", query::OwnedValue(codec::Value::of_json(document))}}});
  CHECK(desk.total({{"text", "heim-"}}) == 1);
  desk.conceal();
  desk.good("audit_query", {{"actor", {"user:u-9"}}, {"detail", "detailed"}});
  INFO(desk.text);
  CHECK(desk.text.find("heim") == std::string::npos);
  CHECK(desk.text.find("then") != std::string::npos);
  for (const char* guess : {"heim-", R"(ge\"h)", R"(\u00e4)", "wort"}) {
    INFO(guess);
    CHECK(desk.total({{"text", guess}}) == 0);
  }
  CHECK(desk.total({{"text", "was "}}) == 1);
}

TEST_CASE("masking: a history hides on every page what any version of the entity hides") {
  MaskedDesk desk;
  const auto add = [&](const char* secret, const char* name) {
    desk.log.add({.actor = {"agent", "a-7", {{"name", name}, {"api_secret", secret}}, false}});
  };
  add("hunter2xx", "robot");
  add("other-pass-99", "robot");
  add("third-pass-99", "was hunter2xx");
  add("third-pass-99", "is future-pass-99");
  add("future-pass-99", "robot");
  desk.conceal();
  const auto is_masked = [&](const OrderedJson& page) {
    const std::string all = page.dump() + desk.text;
    INFO(all);
    for (const char* secret : {"hunter2xx", "-pass-99"}) CHECK(all.find(secret) == std::string::npos);
  };
  for (const char* view : {"changes", "versions"}) {
    OrderedJson page = desk.good("audit_history", {{"entity", "agent:a-7"}, {"view", view}, {"limit", 1}});
    is_masked(page);
    size_t pages = 1;
    for (; !page["more"].is_null(); ++pages) {
      page = desk.good("audit_history", {{"cursor", page["more"]["cursor"]}, {"limit", 1}});
      is_masked(page);
    }
    CHECK(pages == 5);
  }
  is_masked(desk.good("audit_history", {{"entity", "agent:a-7"}, {"fields", {"name"}}}));
  // An event hides what the versions hide that it pins.
  desk.good("audit_get_event", {{"seq", 4}});
  CHECK(desk.text.find("was hunter2xx") != std::string::npos);
  CHECK(desk.text.find("third-pass-99") == std::string::npos);
}
