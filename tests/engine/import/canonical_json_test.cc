#include "engine/import/canonical_json.h"

#include "engine/base/time.h"
#include "tests/support/catch.h"

namespace khipu::import {
namespace {

// The shape of engine/import/README.md with values of our own; every member is there.
constexpr const char* kFull =
    R"({"occurred_at":"2026-03-01T10:20:30.5+01:00","actor":{"type":"user","id":"u-7","fields":{"name":"Zo\u00eb",)"
    R"("age":18446744073709551615,"delta":-9223372036854775808,"ratio":0.25,"tags":[ 1,  2.50 ],"old":null}},)"
    R"("action":"PUT","action_class":"update","outcome":"denied","targets":[{"type":"account","id":"a\"1"},)"
    R"({"type":"account","id":"a2","deleted":true}],"url":"/x","source":"billing","source_ip":"192.0.2.1",)"
    R"("event_id":"e-1","session":"s-1","on_behalf_of":{"type":"user","id":"u-8"},)"
    R"("content":{ "a" : [1e400, 123456789012345678901234567890], "a": 2 },"custom":{"tenant":"t","n":3}})";

ParsedEvents parsed(std::string text) {
  auto result = parse_events(std::move(text), {});
  INFO((result.ok() ? "" : result.error().message));
  REQUIRE(result.ok());
  return std::move(result).value();
}

Problem refused(const std::string& text) {
  Problem problem;
  ingest::Batch batch;
  const auto result = parse_event(text, batch, &problem);
  INFO(text);
  REQUIRE(!result.ok());
  CHECK(result.error().code == Code::kInvalid);
  CHECK(batch.events.empty());
  return problem;
}

TEST_CASE("canonical json: every member arrives, exact and verbatim") {
  const ParsedEvents events = parsed(kFull);
  REQUIRE(events.batch.events.size() == 1);
  const ingest::Event& event = events.batch.events[0];
  CHECK(event.occurred_at == *parse_rfc3339("2026-03-01T09:20:30.500000Z"));
  CHECK(event.actor.type == "user");
  REQUIRE(event.actor.fields.size() == 6);
  CHECK(event.actor.fields[0].value == codec::Value::of_text("Zo\xC3\xAB"));
  CHECK(event.actor.fields[1].value == codec::Value::of_unsigned(UINT64_MAX));
  CHECK(event.actor.fields[2].value == codec::Value::of_integer(INT64_MIN));
  CHECK(event.actor.fields[3].value == codec::Value::of_real(0.25));
  CHECK(event.actor.fields[4].value == codec::Value::of_json("[ 1,  2.50 ]"));
  CHECK(event.actor.fields[5].remove);
  CHECK(event.action == "PUT");
  CHECK(event.action_class == codec::ActionClass::kUpdate);
  CHECK(event.outcome == codec::Outcome::kDenied);
  REQUIRE(event.targets.size() == 2);
  CHECK(event.targets[0].id == "a\"1");
  CHECK(event.targets[1].deleted);
  CHECK(event.url == "/x");
  CHECK(event.source == "billing");
  CHECK(event.source_ip == "192.0.2.1");
  CHECK(event.event_id == "e-1");
  CHECK(event.session == "s-1");
  REQUIRE(event.on_behalf_of);
  CHECK(event.on_behalf_of->id == "u-8");
  CHECK(event.content_kind == codec::ContentKind::kJson);
  CHECK(as_text(event.content) == R"({ "a" : [1e400, 123456789012345678901234567890], "a": 2 })");
  REQUIRE(event.custom.size() == 2);
  CHECK(event.custom[1].value == codec::Value::of_integer(3));
}

TEST_CASE("canonical json: lines are counted, blank ones skipped, CRLF and a missing last newline are fine") {
  const ParsedEvents events = parsed(
      "\n{\"actor\":{\"type\":\"u\",\"id\":\"1\"},\"method\":\"GET\",\"content\":\"a\\nb\"}\r\n\n"
      "  {\"actor\":{\"type\":\"u\",\"id\":\"2\"},\"action\":\"GET\",\"content\":\"\"}");
  REQUIRE(events.batch.events.size() == 2);
  CHECK(events.lines == std::vector<size_t>{2, 4});
  CHECK(events.batch.events[0].action == "GET");
  CHECK(events.batch.events[0].content_kind == codec::ContentKind::kText);
  CHECK(as_text(events.batch.events[0].content) == "a\nb");
  CHECK(events.batch.events[1].content_kind == codec::ContentKind::kNone);
  CHECK(events.texts[0].starts_with("{\"actor\""));
}

TEST_CASE("canonical json: a mistake is named with its place and what would be right") {
  const std::string actor = R"("actor":{"type":"u","id":"1"})";
  CHECK_THAT(refused("{" + actor + R"(,"action":"a","outcom":"success"})").message, ContainsSubstring("'outcome'"));
  CHECK_THAT(refused("{" + actor + R"(,"action":"a","recorded_at":"x"})").message, ContainsSubstring("given by khipu"));
  CHECK_THAT(refused("{" + actor + R"(,"action":"a","action":"b"})").message, ContainsSubstring("twice"));
  CHECK_THAT(refused("{" + actor + R"(,"action":"a","method":"b"})").message, ContainsSubstring("another name"));
  CHECK_THAT(refused("{" + actor + "}").message, ContainsSubstring("'action' is missing"));
  CHECK_THAT(refused(R"({"action":"a"})").message, ContainsSubstring("'actor' is missing"));
  CHECK_THAT(refused("{" + actor + R"(,"action":"a","url":null})").message, ContainsSubstring("leave the member out"));
  CHECK_THAT(refused("{" + actor + R"(,"action":"a"} {})").message, ContainsSubstring("one event a line"));
  CHECK_THAT(refused("[]").message, ContainsSubstring("expected an object, got an array"));
  CHECK_THAT(refused("7").message, ContainsSubstring("expected an object, got a number"));
  CHECK_THAT(refused("true story").message, ContainsSubstring("expected an object, got a boolean"));
  for (const char* text : {"bad", "not json"}) {
    CHECK_THAT(refused(text).message, ContainsSubstring("expected an object; this is not JSON"));
  }

  const Problem outcome = refused("{" + actor + R"(,"action":"a","outcome":"succes"})");
  CHECK(outcome.path == "outcome");
  CHECK_THAT(outcome.message, ContainsSubstring("did you mean 'success'"));
  const Problem target =
      refused("{" + actor + R"(,"action":"a","targets":[{"type":"u","id":"2"},{"type":"u","ide":"3"}]})");
  CHECK(target.path == "targets[1]");
  CHECK_THAT(target.message, ContainsSubstring("did you mean 'id'"));
  const Problem field =
      refused(R"({"actor":{"type":"u","id":"1","fields":{"age":99999999999999999999}},"action":"a"})");
  CHECK(field.path == "actor.fields.age");
  CHECK_THAT(field.message, ContainsSubstring("64 bits"));
  CHECK(refused("{" + actor + R"(,"action":"a","occurred_at":"yesterday"})").path == "occurred_at");
  CHECK(refused("{" + actor + R"(,"action":"a","custom":{"x":null}})").path == "custom.x");
  CHECK(refused(R"({"actor":{"type":7,"id":"1"},"action":"a"})").path == "actor.type");
  CHECK(refused(R"({"actor":{"type":"u","id":"1","deleted":1},"action":"a"})").path == "actor.deleted");
}

TEST_CASE("canonical json: text that is not JSON is refused, inside content too") {
  const std::string head = R"({"actor":{"type":"u","id":"1"},"action":"a","content":)";
  for (const char* bad : {"{",        "[1,]",    "{\"a\"}",     "{\"a\":}",    "{a:1}",       "01",
                          "1.",       "-",       "1e",          "tru",         "nul",         "'a'",
                          "[1 2]",    "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
                          "\"a\nb\"", "NaN",     "[[]",         "{\"a\":1,}",  "\"",          "\"\\",
                          "+1",       ".5",      "\x01"}) {
    refused(head + bad + "}");
  }
  CHECK(refused(head + "\"\xFF\"}").message == "not valid UTF-8");
  CHECK(refused(head + "\"\xC0\x80\"}").message == "not valid UTF-8");
  std::string deep;
  for (int i = 0; i < 129; ++i) deep += '[';
  CHECK_THAT(refused(head + deep).message, ContainsSubstring("too deep"));
}

TEST_CASE("canonical json: every truncation of an event is refused") {
  const std::string whole = kFull;
  for (size_t size = 1; size < whole.size(); ++size) refused(whole.substr(0, size));
}

TEST_CASE("canonical json: of a request with one bad line nothing is taken, and the line is named") {
  Problem problem;
  const auto result =
      parse_events("{\"actor\":{\"type\":\"u\",\"id\":\"1\"},\"action\":\"a\"}\n{\"actor\":1}\n", {}, &problem);
  REQUIRE(!result.ok());
  CHECK_THAT(result.error().message, ContainsSubstring("line 2: actor: expected an object"));
  CHECK(problem.line == 2);
  CHECK(problem.path == "actor");
  ingest::Limits limits;
  limits.batch_events_max = 1;
  const std::string line = "{\"actor\":{\"type\":\"u\",\"id\":\"1\"},\"action\":\"a\"}\n";
  const auto many = parse_events(line + line, limits);
  REQUIRE(!many.ok());
  CHECK(many.error().code == Code::kLimit);
}

TEST_CASE("canonical json: an escape means its character, whatever its length in UTF-8") {
  const ParsedEvents events =
      parsed(R"({"actor":{"type":"u","id":"\u0041\u00e9\u20ac\ud83d\ude00\/\\\b\f\n\r\t"},"\u0061ction":"a"})");
  CHECK(events.batch.events[0].actor.id == "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80/\\\b\f\n\r\t");
}

TEST_CASE("canonical json: one parser for many texts forgets a bad one before the next") {
  ingest::Batch batch;
  EventParser parser(batch);
  const std::string good =
      R"({"actor":{"type":"user","id":"u\u002d1"},"action":"x","targets":[{"type":"a","id":"b"}]})";
  REQUIRE(parser.parse(good).ok());
  for (const char* bad : {R"({"actor":{"type":"user","id":7},"action":"x"})", "{", "\xFF", R"({"action":"x"})"}) {
    Problem fresh, reused;
    ingest::Batch other;
    const Result<void> alone = parse_event(bad, other, &fresh), after = parser.parse(bad, &reused);
    REQUIRE(!after.ok());
    CHECK(after.error().message == alone.error().message);
    CHECK(reused.path == fresh.path);
    REQUIRE(parser.parse(good).ok());
  }
  REQUIRE(batch.events.size() == 5);
  for (const ingest::Event& event : batch.events) {
    CHECK(event.actor.id == "u-1");
    CHECK(event.targets.size() == 1);
  }
}

TEST_CASE("canonical json: what is beyond a limit of an event is refused where it begins, and not kept") {
  const auto many = [](size_t count, const std::string& one) {
    std::string all;
    for (size_t i = 0; i < count; ++i) all += (i == 0 ? "" : ",") + one;
    return all;
  };
  const auto with_fields = [&](size_t count) {
    return R"({"actor":{"type":"u","id":"1","fields":{)" + many(count, R"("a":1)") + R"(}},"action":"x"})";
  };
  const ingest::Limits limits;
  const Problem fields = refused(with_fields(limits.fields_max + 1));
  CHECK(fields.path == "actor.fields");
  CHECK_THAT(fields.message, ContainsSubstring("at most 256"));
  const Problem targets = refused(R"({"actor":{"type":"u","id":"1"},"action":"x","targets":[)" +
                                  many(limits.targets_max + 1, R"({"type":"u","id":"1"})") + "]}");
  CHECK(targets.path == "targets");
  CHECK_THAT(targets.message, ContainsSubstring("at most 256"));
  CHECK(refused(R"({"actor":{"type":"u","id":"1"},"action":"x","custom":{)" + many(5000, R"("a":1)") + "}}").path ==
        "custom");
  // And of a request.
  const std::string line = with_fields(limits.fields_max) + "\n";
  std::string body;
  for (size_t fields_in = 0; fields_in <= kBodyInputsMax; fields_in += limits.fields_max) body += line;
  Problem problem;
  const auto parsed = parse_events(body, limits, &problem);
  REQUIRE_FALSE(parsed.ok());
  CHECK(problem.line == kBodyInputsMax / limits.fields_max + 1);
  CHECK_THAT(parsed.error().message, ContainsSubstring("one request"));
}

}  // namespace
}  // namespace khipu::import
