// What an entity is shown and found by: never by another field while its name is protected, also where an index of its
// versions has that field's text in the place of a name.
#include "engine/query/find.h"
#include "tests/engine/query/fields_world.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

struct Staff : World {
  explicit Staff(const char* rule) {
    REQUIRE(writer->close().ok());
    options.index_run_rows = 16;
    options.index_run_age_us = 3600LL * 1000000;  // when they are waited for
    open_writer();
    ingest::Batch batch;
    batch.statements.push_back(codec::TypeStatement{{"staff", {field("name", rule), field("role", "none")}}});
    accept(writer->submit_and_wait(std::move(batch)));
    add("s-1", "Alice", "admin");
    for (int i = 2; i < 40; ++i) add("s-" + std::to_string(i), "Bob " + std::to_string(i), "clerk");
    add("s-40", {}, "janitor");  // without a name there is nothing to withhold
  }
  void add(const std::string& id, const std::string& name, const std::string& role) {
    ingest::Batch batch;
    ingest::Event event;
    event.actor.type = "staff";
    event.actor.id = id;
    std::vector<ingest::FieldInput> fields = {{"role", false, codec::Value::of_text(role)}};
    if (!name.empty()) fields.insert(fields.begin(), {"name", false, codec::Value::of_text(name)});
    event.actor.fields = batch.keep(std::span<const ingest::FieldInput>(fields));
    event.action = "PUT";
    batch.events.push_back(event);
    accept(writer->submit_and_wait(std::move(batch)));
  }
  std::set<std::string> found(Engine& engine, const std::string& text) {
    FindRequest request;
    request.text = text;
    const auto answer = engine.find(request);
    REQUIRE(answer.ok());
    std::set<std::string> ids;
    for (const SeenEntity& seen : answer->entities) {
      ids.insert(seen.entity.id);
      CHECK(seen.entity.name == (seen.entity.id == "s-40" ? "janitor" : ""));
    }
    return ids;
  }
};

}  // namespace

TEST_CASE(
    "display name: with its name protected an entity is not shown or found by another field, by index or record") {
  for (const char* rule : {"sealed,exact", "digest"}) {
    INFO(rule);
    Staff log(rule);
    const auto engine = log.engine({"search", "decrypt"});
    for (const bool indexed : {false, true}) {
      if (indexed) log.writer->wait_until_indexed();
      INFO("indexed " << indexed);
      CHECK(log.found(*engine, "admin").empty());
      CHECK(log.found(*engine, "adm").empty());
      CHECK(log.found(*engine, "janit") == std::set<std::string>{"s-40"});
      CHECK(log.found(*engine, "Alice") == std::set<std::string>{"s-1"});
      EventRequest request;
      request.filter.emplace();
      request.filter->where.actors = {"admin"};
      const auto page = engine->events(request);
      REQUIRE(page.ok());
      CHECK(page->total == 0);
      CHECK(noted(page->notes, "UNKNOWN_ENTITY"));
      const auto offered = engine->find_entities("adm", true, 10);
      REQUIRE(offered.ok());
      CHECK(offered->empty());
      const auto event = engine->event({0}, 0, Opens::all());
      REQUIRE(event.ok());
      CHECK(event->event->actor.name.empty());
      HistoryRequest history;
      history.entity = "staff:s-1";
      const auto changes = engine->history(history);
      REQUIRE(changes.ok());
      CHECK(changes->name.empty());
    }
  }
}

TEST_CASE("fields: a sealed number has no letters of either case, and an error says what it has") {
  World world;
  world.add("p-1", "ada@example.org", "ssn-1", 41, "c");
  const auto engine = world.engine({"search", "decrypt"});
  const auto exact = engine->events(where("age", "41", Match::kExact));
  REQUIRE(exact.ok());
  CHECK(exact->total == 1);
  const auto folded = engine->events(where("age", "41", Match::kExactCi));
  REQUIRE_FALSE(folded.ok());
  CHECK(folded.error().code == "UNSUPPORTED_MATCH");
  CHECK(folded.error().allowed == std::vector<std::string>{"exact"});
}
