// Finding entities, single events, facts.
#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

TEST_CASE("entities: found by id, current name and past name, best first, letters of either case") {
  TestLog log;
  log.add({.targets = {doc("x1", "Report"), doc("report"), doc("x2", "report")}});
  log.add({.targets = {doc("x1", "Other")}});
  const auto found = good(log.engine().find_entities("REPORT", false, 10));
  REQUIRE(found.size() == 3);
  CHECK(found[0].ref == "doc:report");
  CHECK(found[0].matched_on == "id");
  CHECK(found[1].ref == "doc:x2");
  CHECK(found[1].matched_on == "current_name");
  CHECK(found[2].ref == "doc:x1");
  CHECK(found[2].matched_on == "past_name");
  CHECK(found[2].name == "Other");
  CHECK(found[2].versions == 2);
  CHECK(good(log.engine().find_entities("rep", true, 2)).size() == 2);
  CHECK(good(log.engine().find_entities("rep", false, 10)).empty());
}

TEST_CASE("entities: ids with colons are found whole, and an unknown type is only claimed when nothing has that id") {
  TestLog log;
  log.add({.targets = {doc("arn:aws:iam::1:role/x"), doc("system:node")}});
  const auto total = [&](std::string target) {
    EventRequest request;
    request.filter = Filter{};
    request.filter->where.targets = {std::move(target)};
    const auto page = log.engine().events(request);
    return page.ok() ? std::to_string(page->total) : page.error().code;
  };
  CHECK(total("doc:arn:aws:iam::1:role/x") == "1");
  CHECK(total("arn:aws:iam::1:role/x") == "1");
  CHECK(total("system:node") == "1");
  CHECK(total("system:nobody") == "UNKNOWN_TYPE");
  CHECK(total("10:30") == "0");
}

TEST_CASE("entities: a matcher of an unknown type or field, or a mode the field lacks, is an error that teaches") {
  TestLog log;
  log.add(Spec{});
  const auto error = [&](EntityMatcher matcher) {
    EventRequest request;
    request.filter = Filter{};
    request.filter->where.target_matches = {std::move(matcher)};
    return log.engine().events(request).error();
  };
  CHECK(error({"dox", "name", "x", Match::kExact, false}).code == "UNKNOWN_TYPE");
  CHECK(error({"doc", "nam", "x", Match::kExact, false}).code == "UNKNOWN_FIELD");
  CHECK(error({"doc", "nam", "x", Match::kExact, false}).field == "target_match[0].field");
  CHECK(error({"doc", "nam", "x", Match::kExact, false}).did_you_mean == "name");
  CHECK(error({"doc", "pages", "1", Match::kPrefix, false}).code == "UNSUPPORTED_MATCH");
  CHECK(error({"doc", "pages", "one", Match::kExact, false}).code == "UNKNOWN_VALUE");
}

TEST_CASE("event: in full with its neighbours, ahead of the log is NOT_YET") {
  TestLog log;
  for (int i = 0; i < 5; ++i)
    log.add({.action = "A" + std::to_string(i), .targets = {doc("d", "n" + std::to_string(i))}});
  const EventDetail detail = good(log.engine().event({1}, 2));
  REQUIRE(detail.event.has_value());
  CHECK(detail.event->action == "A1");
  CHECK(detail.event->targets[0].fields.at(0).value.text == "n1");
  CHECK(detail.before.size() == 1);
  REQUIRE(detail.after.size() == 2);
  CHECK(detail.after[1].action == "A3");
  CHECK(log.engine().event({5}).error().code == "NOT_YET");
}

TEST_CASE("facts: counts are those of the log and follow it as it grows") {
  TestLog log;
  log.add({{.action = "PUT", .outcome = codec::Outcome::kDenied, .url = "/x", .source = "billing"},
           {.action = "PUT", .outcome = codec::Outcome::kUnknown, .source = "billing"},
           {.time = kStart - 5,
            .action = "GET",
            .targets = {doc("a"), doc("b")},
            .custom = {{"tenant", OwnedValue(codec::Value::of_text("acme"))}}}});
  for (int i = 0; i < 2; ++i) {
    const Facts facts = good(log.engine().describe());
    CHECK(facts.events == 3);
    CHECK(facts.actions.at(0).value == "PUT");
    CHECK(facts.actions.at(0).events == 2);
    CHECK(facts.outcomes.size() == 3);
    CHECK(facts.occurred_first == kStart - 5);
    REQUIRE(facts.sources.size() == 2);
    CHECK(facts.sources[0].source == "billing");
    CHECK(facts.sources[0].with_outcome == 1);
    CHECK(facts.sources[0].with_url == 1);
    CHECK(facts.sources[1].with_column.at(0) == std::pair<std::string, uint64_t>("tenant", 1));
    const auto docs =
        std::find_if(facts.types.begin(), facts.types.end(), [](const TypeFacts& t) { return t.type == "doc"; });
    REQUIRE(docs != facts.types.end());
    CHECK(docs->entities == 2);
  }
  log.add(Spec{});
  CHECK(good(log.engine().describe()).events == 4);
}
