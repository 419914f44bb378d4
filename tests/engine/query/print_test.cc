#include "engine/query/print.h"

#include <algorithm>

#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

TEST_CASE("print: an event is one line of canonical JSON, content spliced as it came") {
  EventRow event;
  event.seq = {7};
  event.occurred_at = 1781500027123456;
  event.actor = {
      {}, {}, false, "user", "u-1", "alice", 0, false, {{"name", OwnedValue(codec::Value::of_text("alice"))}}};
  event.action = "PUT";
  event.action_class = codec::ActionClass::kUpdate;
  event.outcome = codec::Outcome::kSuccess;
  event.content_kind = codec::ContentKind::kJson;
  event.content = "{\"n\": 1.50,\r\n \"n\":12345678901234567890}";
  event.custom = {{"cost", OwnedValue(codec::Value::of_unsigned(UINT64_MAX))},
                  {"rate", OwnedValue(codec::Value::of_real(0.1))}};
  std::string line;
  append_canonical_event(line, event);
  CHECK(line ==
        R"({"occurred_at":"2026-06-15T05:07:07.123456Z","actor":{"type":"user","id":"u-1","fields":{"name":"alice"}},)"
        R"("action":"PUT","action_class":"update","outcome":"success","targets":[],)"
        "\"content\":{\"n\": 1.50,   \"n\":12345678901234567890},"
        R"("custom":{"cost":18446744073709551615,"rate":0.1}})");
  std::string full;
  append_event(full, event);
  CHECK(full.starts_with(
      R"({"seq":7,"uid":"00000000000000000000000000000000","recorded_at":"1970-01-01T00:00:00.000000Z",)"));
  CHECK_THAT(full, ContainsSubstring(R"("actor":{"type":"user","id":"u-1","name":"alice","version":0,"fields")"));
}

TEST_CASE("print: strings are JSON whatever their bytes, on one line") {
  std::string text;
  append_json_string(text, std::string("a\"\\\n\r\t\x01\x7f\0é日\xff\xc3", 16));
  CHECK(text == "\"a\\\"\\\\\\n\\r\\t\\u0001\\u007f\\u0000é日\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST_CASE("print: what drives a terminal is escaped, in strings and in spliced content, and reads as the same") {
  std::string text;
  append_json_string(text, "a\xE2\x80\xAE\xC2\x9B\xF3\xA0\x81\x81\xE2\x80\xA8z\xF0\x9F\x98\x80");
  CHECK(text == "\"a\\u202e\\u009b\\udb40\\udc41\\u2028z\xF0\x9F\x98\x80\"");
  EventRow event;
  event.content_kind = codec::ContentKind::kJson;
  event.content = "{\"k\xE2\x80\xAE\":\n\"\x7F\xC2\x85\xEF\xBB\xBF\\u202e\"}";
  event.custom = {{"j", OwnedValue(codec::Value::of_json("[\"\xE2\x81\xA6\"]"))}};
  for (const auto append : {append_event, append_canonical_event}) {
    std::string line;
    append(line, event);
    CHECK_THAT(line, ContainsSubstring(R"("content":{"k\u202e": "\u007f\u0085\ufeff\u202e"})"));
    CHECK_THAT(line, ContainsSubstring(R"("custom":{"j":["\u2066"]})"));
    CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
  }
}

TEST_CASE("print: a deleted entity is input that deletes, a missing one says so") {
  EventRow event;
  event.actor = {{1}, {2}, true, "", "", "", 0, false, {}};
  event.targets = {{{}, {}, false, "doc", "d", "n", 3, true, {{"name", OwnedValue(codec::Value::of_text("n"))}}}};
  std::string line;
  append_canonical_event(line, event);
  CHECK_THAT(line, ContainsSubstring(R"("actor":{"missing":true,"entity_row":1,"version_row":2})"));
  CHECK_THAT(line, ContainsSubstring(R"("targets":[{"type":"doc","id":"d","deleted":true}])"));
}

TEST_CASE("print: an error carries what teaches") {
  QueryError error("UNKNOWN_TYPE", "target", "acount:1", "No such type.");
  error.allowed = {"account", "user"};
  error.did_you_mean = "account";
  std::string text;
  append_error(text, error);
  CHECK(text == R"({"code":"UNKNOWN_TYPE","field":"target","got":"acount:1","allowed":["account","user"],)"
                R"("did_you_mean":"account","hint":"No such type."})");
}
