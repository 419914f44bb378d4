#include "engine/import/infer.h"

#include "tests/support/catch.h"

namespace khipu::import {
namespace {

TEST_CASE("infer: types, fields and columns of a sample are proposed with their kinds") {
  registry::Schema schema;
  schema.apply(codec::TypeSchema{"user", {{"name"}}});
  const Inferred inferred = infer(
      R"({"actor":{"type":"user","id":"1","fields":{"name":"a","age":3}},"action":"x","custom":{"n":1.5,"m":1}})"
      "\n\nnot json\n"
      R"({"actor":{"type":"user","id":"1"},"action":"x","targets":[{"type":"account","id":"2","fields":{"tags":[1]}}],)"
      R"("on_behalf_of":{"type":"Bad Type","id":"x"},"custom":{"m":"text"}})",
      schema);
  CHECK(inferred.events == 2);
  CHECK(inferred.skipped == 1);
  CHECK_THAT(inferred.first_problem, ContainsSubstring("line 3"));
  REQUIRE(inferred.types.size() == 2);
  CHECK(inferred.types[0].name == "user");
  REQUIRE(inferred.types[0].fields.size() == 2);
  CHECK(inferred.types[0].fields[1].name == "age");
  CHECK(inferred.types[0].fields[1].kind == codec::ValueKind::kNumber);
  CHECK(inferred.types[1].fields[0].kind == codec::ValueKind::kJson);
  REQUIRE(inferred.columns.size() == 1);
  CHECK(inferred.columns[0].name == "n");
  CHECK(inferred.notes.size() == 2);
}

}  // namespace
}  // namespace khipu::import
