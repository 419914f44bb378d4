// What of columns and fields is the same value: for filters and for groups alike.
#include "engine/query/canonical_json.h"

#include <set>

#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

using Value = codec::Value;

// The rows that a filter finds, and the groups: "key: count", "(none)" for events without the column.
std::vector<uint64_t> with(TestLog& log, const std::string& column, const Value& value) {
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.custom = {{column, OwnedValue(value)}};
  request.order.descending = false;
  return seqs(good(log.engine().events(request)));
}
std::set<std::string> groups(TestLog& log, const std::string& column) {
  AggregateRequest request;
  request.group_by = {{GroupBy::kColumn, column}};
  std::set<std::string> found;
  for (const Group& group : good(log.engine().aggregate(request)).groups) {
    found.insert((group.key[0].none ? "(none)" : group.key[0].text) + ": " + std::to_string(group.count));
  }
  SampleRequest sample;
  sample.n = 100;
  sample.stratify_by = GroupKey{GroupBy::kColumn, column};
  std::set<std::string> strata;
  for (const Stratum& stratum : good(log.engine().sample(sample)).strata) {
    strata.insert((stratum.value.none ? "(none)" : stratum.value.text) + ": " + std::to_string(stratum.population));
  }
  CHECK(strata == found);
  return found;
}
void add(TestLog& log, const std::string& column, const std::vector<Value>& values) {
  for (const Value& value : values) log.add({.custom = {{column, OwnedValue(value)}}});
}
using Rows = std::vector<uint64_t>;

}  // namespace

TEST_CASE("query: an empty value of a column is a value, and no group of those without one") {
  TestLog log;
  add(log, "tenant", {Value::of_text(""), Value::of_text("acme"), Value::of_text("")});
  log.add({.action = "GET"});
  CHECK(with(log, "tenant", Value::of_text("")) == Rows{0, 2});
  CHECK(groups(log, "tenant") == std::set<std::string>{": 2", "acme: 1", "(none): 1"});
}

TEST_CASE("query: numbers are equal by their value, to a filter and to groups, with an index and without") {
  TestLog log(6000);
  add(log, "cost",
      {Value::of_real(-0.0), Value::of_integer(0), Value::of_real(9007199254740992.0),
       Value::of_integer(9007199254740993), Value::of_integer(9007199254740992), Value::of_real(1e15),
       Value::of_integer(1000000000000000), Value::of_real(0.5), Value::of_real(18446744073709549568.0),
       Value::of_unsigned(18446744073709549568U)});
  for (const bool indexed : {false, true}) {
    if (indexed) log.wait_until_indexed();
    CHECK(with(log, "cost", Value::of_integer(0)) == Rows{0, 1});
    CHECK(with(log, "cost", Value::of_integer(9007199254740993)) == Rows{3});
    CHECK(with(log, "cost", Value::of_real(9007199254740992.0)) == Rows{2, 4});
    CHECK(with(log, "cost", Value::of_integer(1000000000000000)) == Rows{5, 6});
    CHECK(with(log, "cost", Value::of_real(18446744073709549568.0)) == Rows{8, 9});
  }
  CHECK(groups(log, "cost") == std::set<std::string>{"0: 2", "9007199254740992: 2", "9007199254740993: 1",
                                                     "1000000000000000: 2", "0.5: 1", "18446744073709549568: 2"});
}

TEST_CASE("query: JSON of a column and of a field is compared by its meaning") {
  TestLog log(6000);
  ingest::Batch batch;
  codec::ColumnSchema meta;
  meta.name = "meta";
  meta.kind = codec::ValueKind::kJson;
  codec::TypeSchema box;
  box.name = "box";
  box.fields.emplace_back();
  box.fields.back().name = "spec";
  box.fields.back().kind = codec::ValueKind::kJson;
  batch.statements = {codec::ColumnStatement{meta}, codec::TypeStatement{box}};
  REQUIRE(log.writer().submit_and_wait(std::move(batch)).ok());
  add(log, "meta",
      {Value::of_json(R"({"a":1,"b":"x"})"), Value::of_json(R"({ "b": "\u0078", "a": 1.0 })"),
       Value::of_json(R"({"a":2,"b":"x"})")});
  for (int i = 0; i < 40; ++i) log.add({.action = "GET"});
  for (const bool indexed : {false, true}) {
    if (indexed) log.wait_until_indexed();
    CHECK(with(log, "meta", Value::of_json(R"({"b":"x","a":1})")) == Rows{0, 1});
    EventRequest without;
    without.filter = Filter{};
    without.filter->where_not.custom = {{"meta", OwnedValue(Value::of_json(R"({"b":"x","a":1})"))}};
    CHECK(good(log.engine().events(without)).total == 41);
  }
  CHECK(groups(log, "meta") == std::set<std::string>{R"({"a":1,"b":"x"}: 2)", R"({"a":2,"b":"x"}: 1)", "(none): 40"});

  ingest::Batch boxes;
  const ingest::FieldInput field{"spec", false, Value::of_json(R"({ "w": 2, "h": [1.0] })")};
  ingest::EntityInput entity;
  entity.type = "box";
  entity.id = "b-1";
  entity.fields = {&field, 1};
  ingest::Event event;
  event.actor.type = "user";
  event.actor.id = "u-1";
  event.action = "PUT";
  event.targets = {&entity, 1};
  boxes.events.push_back(event);
  REQUIRE(log.writer().submit_and_wait(std::move(boxes)).ok());
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.target_matches = {{"box", "spec", R"({"h":[1],"w":2})"}};
  CHECK(seqs(good(log.engine().events(request))) == Rows{43});
  request.filter->where.target_matches = {{"box", "spec", R"({"h":[1],"w":3})"}};
  CHECK(good(log.engine().events(request)).total == 0);
}

TEST_CASE("query: canonical JSON is one text for each meaning") {
  const std::vector<std::vector<std::string>> same = {
      {"{}", " { } "},
      {"[]", "[ ]"},
      {"[1,2]", "[ 1 ,\n2.0]", "[1e0,20e-1]"},
      {R"({"a":{"b":[],"c":null}})", R"({ "a" : { "c":null, "b":[ ] } })"},
      {R"("/é")", R"("\/\u00e9")"},
      {"\"\xF0\x9F\x98\x80\"", R"("\ud83d\ude00")"},
      {"0", "-0", "0.0", "-0.0e5"},
      {"0.1", "1e-1", "0.10"},
      {"123456789012345678901234567890"},
      {"123456789012345678901234567891"},
      {"9007199254740993"},
      {"9007199254740992"},
      {R"("\"\\")"},
      {R"({"a":1,"a":2})"},
      {R"({"a":2,"a":1})"},
      {"true"},
      {"\"true\""},
      {R"("\ud83d")"},
      {R"("\\ud83d")"},
      {"not json"},
      {"{\"a\":1"},
      {"[1,]"},
      {"1 2"},
      {""},
      {"1e999"}};
  std::set<std::string> all;
  for (const std::vector<std::string>& texts : same) {
    const std::string canonical = canonical_json(texts.front());
    INFO(texts.front());
    CHECK(all.insert(canonical).second);
    for (const std::string& text : texts) CHECK(canonical_json(text) == canonical);
    CHECK(canonical_json(canonical) == canonical);
  }
  const std::string deep = std::string(100'000, '[') + " " + std::string(100'000, ']');
  CHECK(canonical_json(deep) == deep);
}
