#include "engine/base/time.h"
#include "engine/import/time_format.h"
#include "tests/engine/import/import_fixture.h"
#include "tests/support/shared.h"

namespace khipu::import {
namespace {

std::string mapping(const std::string& event, const std::string& more = "") {
  return R"j({"khipu_mapping":1,"name":"test","types":{"who":{"name":"text","age":"number","all":"json"},"thing":{}},)j"
         R"j("columns":{"n":{"kind":"number"},"t":{"kind":"text","indexed":true},"j":{"kind":"json"}},)j" +
         more + R"j("event":{"actor":{"type":"who","id":{"pointer":"/who"}},"action":{"constant":"a"})j" + event + "}}";
}
std::string refused(const std::string& text) {
  const auto made = make_jsonl_mapper(text);
  INFO(text);
  REQUIRE(!made.ok());
  return made.error().message;
}

TEST_CASE("mapping: pointers, constants, concat, first, regex, tables and defaults") {
  ImportFixture import(
      "jsonl", mapping(R"j(,"url":{"concat":[{"constant":"http://"},{"pointer":"/a/b"},{"pointer":"/n~1m"}]},)j"
                       R"j("source":{"first":[{"pointer":"/none"},{"pointer":"/a/c"},{"constant":"x"}]},)j"
                       R"j("session":{"pointer":"/text","regex":"id=(?P<id>[0-9]+) (?P<rest>.*)","group":"rest"},)j"
                       R"j("outcome":{"pointer":"/ok","table":{"true":"success","false":"failure"}},)j"
                       R"j("action_class":{"pointer":"/none","default":"read"},)j"
                       R"j("custom":{"n":{"pointer":"/num"},"t":{"pointer":"/num"},"j":{"pointer":"/a"}})j"));
  const ingest::Event& event = import.only(
      R"j({"who":7,"a":{"b":"host","c":"sea"},"n/m":"/p","text":"x id=42 the rest","ok":true,"num":18446744073709551615})j");
  CHECK(event.actor.id == "7");
  CHECK(event.url == "http://host/p");
  CHECK(event.source == "sea");
  CHECK(event.session == "the rest");
  CHECK(event.outcome == codec::Outcome::kSuccess);
  CHECK(event.action_class == codec::ActionClass::kRead);
  REQUIRE(event.custom.size() == 3);
  CHECK(event.custom[0].value == codec::Value::of_unsigned(UINT64_MAX));
  CHECK(event.custom[1].value == codec::Value::of_text("18446744073709551615"));
  CHECK(event.custom[2].value == codec::Value::of_json(R"j({"b":"host","c":"sea"})j"));
}

TEST_CASE(
    "mapping: a pointer goes through objects by name and through arrays by number, and what is absent is absent") {
  ImportFixture import("jsonl", mapping(R"j(,"url":{"pointer":"/list/1/x"},"source":{"pointer":"/deep/0/1"},)j"
                                        R"j("session":{"pointer":"/list/9"},"event_id":{"pointer":"/who/x"},)j"
                                        R"j("source_ip":{"pointer":"/list/x","default":"192.0.2.1"})j"));
  const ingest::Event& event = import.only(R"j({"who":7,"list":[1,{"x":"second"}],"deep":{"0":["a","b"]}})j");
  CHECK(event.url == "second");
  CHECK(event.source == "b");
  CHECK(event.session.empty());
  CHECK(event.event_id.empty());
  CHECK(event.source_ip == "192.0.2.1");
}

TEST_CASE("mapping: targets are a rule over an array, or single ones, absent ones are left out") {
  ImportFixture import(
      "jsonl",
      mapping(
          R"j(,"on_behalf_of":{"type":"who","id":{"pointer":"/for"},"fields":{"name":{"pointer":"/name"},"age":{"pointer":"/age"}}},)j"
          R"j("targets":[{"each":"/items","type":"thing","id":{"pointer":"/id"}},{"type":"thing","id":{"pointer":"/one"}}])j"));
  const ingest::Event& event =
      import.only(R"j({"who":"w","items":[{"id":"a"},{"x":1},{"id":"b"},{"id":"a"}],"one":"c","for":"f","age":4})j");
  REQUIRE(event.targets.size() == 3);
  CHECK(event.targets[1].id == "b");
  CHECK(event.targets[2].id == "c");
  REQUIRE(event.on_behalf_of);
  REQUIRE(event.on_behalf_of->fields.size() == 1);
  CHECK(event.on_behalf_of->fields[0].value == codec::Value::of_integer(4));
  const ingest::Event& bare = import.only(R"j({"who":"w"})j");
  CHECK(bare.targets.empty());
  CHECK(!bare.on_behalf_of);
}

TEST_CASE("mapping: every mistake in a mapping file is named with its place") {
  CHECK_THAT(refused("{"), ContainsSubstring("mapping file"));
  CHECK_THAT(refused(R"j({"khipu_mapping":2,"name":"x","event":{}})j"), ContainsSubstring("version 1"));
  CHECK_THAT(refused(R"j({"khipu_mapping":1,"name":"x","evnt":{}})j"), ContainsSubstring("did you mean 'event'"));
  CHECK_THAT(refused(R"j({"khipu_mapping":1,"name":"x","event":{}})j"), ContainsSubstring("actor and action"));
  CHECK_THAT(refused(mapping(R"j(,"urll":{"constant":"x"})j")), ContainsSubstring("did you mean 'url'"));
  CHECK_THAT(refused(mapping(R"j(,"url":{"constant":"x","pointer":"/x"})j")), ContainsSubstring("exactly one"));
  CHECK_THAT(refused(mapping(R"j(,"url":{"pointer":"x"})j")), ContainsSubstring("JSON Pointer"));
  CHECK_THAT(refused(mapping(R"j(,"url":{"pointer":"/x","regex":"(a)"})j")), ContainsSubstring("named group"));
  CHECK_THAT(refused(mapping(R"j(,"url":{"pointer":"/x","regex":"(?P<a>"})j")), ContainsSubstring("RE2"));
  CHECK_THAT(refused(mapping(R"j(,"url":{"pointer":"/x","group":"a"})j")), ContainsSubstring("without"));
  CHECK_THAT(refused(mapping(R"j(,"custom":{"zz":{"constant":"x"}})j")), ContainsSubstring("event.custom.zz"));
  CHECK_THAT(refused(mapping(R"j(,"occurred_at":{"pointer":"/t"})j")), ContainsSubstring("formats"));
  CHECK_THAT(refused(mapping(R"j(,"occurred_at":{"pointer":"/t","formats":["%Y-%m-%d"]})j")),
             ContainsSubstring("zone"));
  CHECK_THAT(refused(mapping(R"j(,"occurred_at":{"pointer":"/t","formats":["%Q"]})j")), ContainsSubstring("%Y"));
  CHECK_THAT(refused(mapping(R"j(,"occurred_at":{"pointer":"/t","formats":[]})j")), ContainsSubstring("empty"));
  for (const char* pointer : {"/a~2", "/a~", "/~~0"}) {
    CHECK_THAT(refused(mapping(",\"url\":{\"pointer\":\"" + std::string(pointer) + "\"}")), ContainsSubstring("~"));
  }
  CHECK_THAT(refused(mapping(R"j(,"targets":[{"each":"/a~2","type":"thing","id":{"pointer":"/x"}}])j")),
             ContainsSubstring("targets[0].each"));
  CHECK_THAT(refused(mapping(R"j(,"outcome":{"pointer":"/x","table":{"yes":"succes"}})j")),
             ContainsSubstring("event.outcome: 'succes'"));
  CHECK_THAT(refused(mapping(R"j(,"action_class":{"first":[{"pointer":"/x"},{"constant":"reed"}]})j")),
             ContainsSubstring("'reed' is no action_class"));
  CHECK_THAT(refused(mapping(R"j(,"outcome":{"pointer":"/x","default":"none"})j")), ContainsSubstring("'none'"));
  CHECK_THAT(refused(mapping(R"j(,"targets":[{"type":"thing"}])j")), ContainsSubstring("targets[0].id"));
  CHECK_THAT(refused(mapping("", R"j("lines":{"regex":"x"},)j")), ContainsSubstring("named group"));
  CHECK_THAT(refused(R"j({"khipu_mapping":1,"name":"x","types":{"Bad":{}},"event":{}})j"),
             ContainsSubstring("types.Bad"));
  CHECK_THAT(refused(R"j({"khipu_mapping":1,"name":"x","columns":{"url":{}},"event":{}})j"),
             ContainsSubstring("reserved"));
}

TEST_CASE("mapping: time formats are tried in order, and a time that fits none parks the record") {
  ImportFixture import(
      "jsonl",
      mapping(
          R"j(,"occurred_at":{"pointer":"/t","formats":["rfc3339","epoch_ms","%d/%b/%Y:%H:%M:%S %z","%Y-%m-%d %H:%M:%S.%f"],"zone":"+02:00"})j"));
  const auto time = [&](const std::string& text) {
    return import.only("{\"who\":\"w\",\"t\":" + text + "}").occurred_at;
  };
  CHECK(time("\"2026-02-03T08:00:11Z\"") == *parse_rfc3339("2026-02-03T08:00:11Z"));
  CHECK(time("1770105611250") == *parse_rfc3339("2026-02-03T08:00:11.250Z"));
  CHECK(time("\"03/Feb/2026:09:00:11 +0100\"") == *parse_rfc3339("2026-02-03T08:00:11Z"));
  CHECK(time("\"2026-02-03 10:00:11.5\"") == *parse_rfc3339("2026-02-03T08:00:11.5Z"));
  CHECK_THAT(import.rejected(R"j({"who":"w","t":"Feb 3"})j"), ContainsSubstring("none of the mapping's formats"));
  CHECK_THAT(import.rejected(R"j({"who":"w"})j"), ContainsSubstring("no time"));
  CHECK(parse_time("1770105611.25", "epoch_s", {}) == *parse_rfc3339("2026-02-03T08:00:11.25Z"));
  CHECK(parse_time("-1.5", "epoch_s", {}) == -1500000);
  CHECK(!parse_time("1770105611x", "epoch_us", {}));
  CHECK(!parse_time("2026-02-30 00:00:00", "%Y-%m-%d %H:%M:%S", {false, true, 0}));
}

TEST_CASE("mapping: the example for dpkg's log reads every kind of line of it") {
  ImportFixture import("jsonl", tests::source_text("examples/dpkg-log.mapping.json"));
  const std::string log =
      "2026-01-02 03:04:05 startup archives unpack\n"
      "2026-01-02 03:04:05 install hello:amd64 <none> 2.10-3\n"
      "2026-01-02 03:04:05 status half-installed hello:amd64 2.10-3\n"
      "2026-01-02 03:04:06 upgrade libc-bin:amd64 2.36-9 2.36-9+deb12u10\n"
      "2026-01-02 03:04:06 status triggers-pending libc-bin:amd64 2.36-9+deb12u10\n"
      "2026-01-02 03:04:07 conffile /etc/default/hello keep\n"
      "2026-01-02 03:04:07 status installed hello:amd64 2.10-3\n"
      "2026-01-02 03:04:08 remove hello:amd64 2.10-3 <none>\n"
      "garbage\n";
  const Report report = import.run(log);
  CHECK(report.stored == 8);
  CHECK(report.parked == 1);
  const auto& events = import.sink.events;
  CHECK(events[0].action == "startup");
  CHECK(events[0].targets.empty());
  CHECK(events[1].action == "install");
  CHECK(events[1].action_class == codec::ActionClass::kCreate);
  CHECK(events[1].targets[0].id == "hello:amd64");
  CHECK(column(events[3], "version_new") == "2.36-9+deb12u10");
  CHECK(events[5].targets[0].type == "conffile");
  CHECK(events[6].outcome == codec::Outcome::kSuccess);
  CHECK(column(events[6], "dpkg_state") == "installed");
  CHECK(events[7].action_class == codec::ActionClass::kDelete);
  CHECK(as_text(events[7].content) == "2026-01-02 03:04:08 remove hello:amd64 2.10-3 <none>");
}

TEST_CASE("mapping: the bundled CloudTrail sample imports whole") {
  ImportFixture import("cloudtrail", "");
  const Report report = import.run(tests::source_text("examples/cloudtrail-sample.json"));
  CHECK(report.stored == 12);
  CHECK(report.parked == 0);  // one record a line inside the wrapper is not JSON lines
  CHECK(report.warnings.empty());
  CHECK(report.out_of_order == 1);
}

}  // namespace
}  // namespace khipu::import
