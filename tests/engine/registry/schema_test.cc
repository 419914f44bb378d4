#include "engine/registry/schema.h"

#include "tests/support/catch.h"

namespace khipu::registry {
namespace {

using codec::BlindIndex;
using codec::ColumnSchema;
using codec::FieldSchema;
using codec::Protection;
using codec::TypeSchema;
using codec::ValueKind;

FieldSchema field(std::string name, ValueKind kind = ValueKind::kText) {
  FieldSchema made;
  made.name = std::move(name);
  made.kind = kind;
  return made;
}

FieldSchema indexed(std::string name, BlindIndex index, uint32_t size) {
  FieldSchema made = field(std::move(name));
  made.index = index;
  made.index_size = size;
  return made;
}

ColumnSchema column(std::string name, ValueKind kind = ValueKind::kText, uint32_t id = 0) {
  ColumnSchema made;
  made.id = id;
  made.name = std::move(name);
  made.kind = kind;
  return made;
}

void refused(const Result<void>& result, Code code, const std::string& part) {
  REQUIRE(!result.ok());
  CHECK(result.error().code == code);
  CHECK_THAT(result.error().message, ContainsSubstring(part));
}

TEST_CASE("registry: scenario 9: of all redefinitions of a type only an added field is accepted") {
  Schema schema;
  const TypeSchema user{"user", {field("name"), indexed("email", BlindIndex::kPrefix, 4)}};
  REQUIRE(check_type(schema, user).ok());
  schema.apply(user);

  TypeSchema more = user;
  more.fields.push_back(field("age", ValueKind::kNumber));
  CHECK(check_type(schema, more).ok());
  CHECK(check_type(schema, user).ok());  // the same again is no change

  TypeSchema sealed = user;
  sealed.fields[0].protection = Protection::kSealed;
  refused(check_type(schema, sealed), Code::kConflict, "protection");
  refused(check_type(schema, {"user", {field("name")}}), Code::kConflict, "never removed");
  refused(check_type(schema, {"user", {field("name"), indexed("email", BlindIndex::kPrefix, 5)}}), Code::kConflict,
          "index");
  refused(check_type(schema, {"user", {field("name", ValueKind::kNumber), user.fields[1]}}), Code::kConflict, "kind");
  TypeSchema required = user;
  required.fields[0].required = true;
  refused(check_type(schema, required), Code::kConflict, "required");
  TypeSchema new_required = more;
  new_required.fields[2].required = true;
  refused(check_type(schema, new_required), Code::kConflict, "cannot be required");

  FieldSchema number = field("n", ValueKind::kNumber);
  number.index = BlindIndex::kNgram;
  number.index_size = 3;
  refused(check_type(schema, {"account", {number}}), Code::kInvalid, "work on text");
  refused(check_type(schema, {"account", {indexed("p", BlindIndex::kPrefix, 0)}}), Code::kInvalid, "prefix(n)");
  refused(check_type(schema, {"khipu_account", {}}), Code::kInvalid, "reserved");
}

TEST_CASE("registry: names, doubles and sizes of a new type are checked") {
  const Schema schema;
  for (const char* name : {"", "User", "1user", "_user", "us er", "user-x", "usér"}) {
    INFO(name);
    CHECK(!valid_name(name));
    CHECK(!check_type(schema, {name, {}}).ok());
    CHECK(!check_type(schema, {"user", {field(name)}}).ok());
    CHECK(!check_column(schema, column(name)).ok());
  }
  CHECK(valid_name(std::string(63, 'a')));
  CHECK(!valid_name(std::string(64, 'a')));
  refused(check_type(schema, {"user", {field("a"), field("a")}}), Code::kInvalid, "twice");
  refused(check_type(schema, {"user", {indexed("a", BlindIndex::kNgram, 1)}}), Code::kInvalid, "ngram(n)");
  refused(check_type(schema, {"user", {indexed("a", BlindIndex::kExact, 1)}}), Code::kInvalid, "size");
  CHECK(check_type(schema, {"user", {indexed("a", BlindIndex::kNgram, 3)}}).ok());
}

TEST_CASE("registry: scenario 4: a column may become required from a moment on, and never optional again") {
  Schema schema;
  schema.apply(column("reason", ValueKind::kText, 1));
  ColumnSchema required = column("reason", ValueKind::kText, 1);
  required.required = true;
  required.required_since_us = 1000;
  REQUIRE(check_column(schema, required).ok());
  schema.apply(required);
  REQUIRE(schema.column("reason")->required_since_us == 1000);
  refused(check_column(schema, column("reason")), Code::kConflict, "never off");
  ColumnSchema moved = required;
  moved.required_since_us = 2000;
  refused(check_column(schema, moved), Code::kConflict, "moved");
}

TEST_CASE("registry: a column's kind, index and number stay, and built-in members cannot be columns") {
  Schema schema;
  schema.apply(column("tenant", ValueKind::kText, 2));
  schema.apply(column("amount", ValueKind::kNumber, 1));
  refused(check_column(schema, column("tenant", ValueKind::kNumber)), Code::kConflict, "kind");
  ColumnSchema fast = column("tenant");
  fast.indexed = true;
  refused(check_column(schema, fast), Code::kConflict, "indexed");
  refused(check_column(schema, column("tenant", ValueKind::kText, 3)), Code::kConflict, "number");
  refused(check_column(schema, column("other", ValueKind::kText, 2)), Code::kConflict, "'tenant'");
  refused(check_column(schema, column("outcome")), Code::kInvalid, "reserved");
  CHECK(check_column(schema, column("tenant")).ok());
  REQUIRE(schema.columns().size() == 2);
  CHECK(schema.columns()[0].name == "amount");
  CHECK(schema.column(2)->name == "tenant");
  CHECK(schema.column("amount")->id == 1);
  CHECK(schema.column(7) == nullptr);
}

TEST_CASE("registry: applying a definition keeps the order in which fields were added") {
  Schema schema;
  schema.apply(TypeSchema{"user", {field("name"), field("email")}});
  schema.apply(TypeSchema{"user", {field("age"), field("email"), field("name")}});
  REQUIRE(schema.type("user")->fields.size() == 3);
  CHECK(schema.type("user")->fields[0].name == "name");
  CHECK(schema.type("user")->fields[2].name == "age");
  CHECK(schema.field("user", "age") != nullptr);
  CHECK(schema.field("user", "phone") == nullptr);
  CHECK(schema.type("account") == nullptr);
}

TEST_CASE("registry: the types that init defines are valid") {
  const Schema schema;
  for (const TypeSchema& type : default_types()) CHECK(check_type(schema, type).ok());
}

}  // namespace
}  // namespace khipu::registry
