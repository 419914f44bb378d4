#include "engine/registry/schema.h"

#include <functional>

#include "engine/registry/guard.h"
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
  made.rule = {Protection::kSealed, {{index, size}}, false, index != BlindIndex::kExact, false};
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
  sealed.fields[0].rule.protection = Protection::kSealed;
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
  number.rule = {Protection::kSealed, {{BlindIndex::kNgram, 3}}, false, true, false};
  refused(check_type(schema, {"account", {number}}), Code::kInvalid, "work on text");
  refused(check_type(schema, {"account", {indexed("p", BlindIndex::kPrefix, 0)}}), Code::kInvalid, "prefix(n)");
  refused(check_type(schema, {"khipu_account", {}}), Code::kInvalid, "reserved");
}

TEST_CASE("registry: the fields of a type without entities may change their rules, and nothing else") {
  Schema schema;
  for (const TypeSchema& type : default_types()) schema.apply(type);
  TypeSchema user = *schema.type("user");
  user.fields[0].rule = {Protection::kSealed, {{BlindIndex::kExact, 0}}, false, false, false};
  refused(check_type(schema, user), Code::kConflict, "once an entity of that type is in the log");
  CHECK(check_unused_type(schema, user).ok());
  TypeSchema required = user;
  required.fields.push_back(field("badge"));
  required.fields.back().required = true;
  CHECK(check_unused_type(schema, required).ok());
  TypeSchema number = user;
  number.fields[0].kind = ValueKind::kNumber;
  number.fields[0].rule = {};
  refused(check_unused_type(schema, number), Code::kConflict, "kind");
  refused(check_unused_type(schema, {"user", {}}), Code::kConflict, "never removed");
  user.fields[0].rule.indexes[0] = {BlindIndex::kNgram, 3};  // a leak that nobody accepted
  refused(check_unused_type(schema, user), Code::kInvalid, "accept_leak");
}

TEST_CASE("registry: @event says that content is sealed, once and for ever, and nothing else") {
  Schema schema;
  CHECK_FALSE(seals_content(schema));
  FieldSchema content = field("content");
  content.rule.protection = Protection::kSealed;
  const TypeSchema sealed{"@event", {content}};
  REQUIRE(check_type(schema, sealed).ok());
  schema.apply(sealed);
  CHECK(seals_content(schema));
  CHECK(schema.protects());
  CHECK(check_type(schema, sealed).ok());
  const auto wrong = [&](const std::function<void(TypeSchema&)>& change) {
    TypeSchema type = sealed;
    change(type);
    refused(check_type(schema, type), Code::kInvalid, "content:sealed");
    refused(check_unused_type(schema, type), Code::kInvalid, "content:sealed");
  };
  wrong([](TypeSchema& type) { type.fields.clear(); });
  wrong([](TypeSchema& type) { type.fields[0].name = "url"; });
  wrong([](TypeSchema& type) { type.fields[0].rule = {}; });
  wrong([](TypeSchema& type) { type.fields[0].rule.protection = Protection::kDigest; });
  wrong([](TypeSchema& type) { type.fields[0].rule.indexes = {{BlindIndex::kExact, 0}}; });
  wrong([](TypeSchema& type) { type.fields[0].rule.subject = true; });
  wrong([](TypeSchema& type) { type.fields[0].kind = ValueKind::kJson; });
  wrong([](TypeSchema& type) { type.fields[0].required = true; });
  wrong([](TypeSchema& type) { type.fields.push_back(field("source_ip")); });
  refused(check_type(schema, {"@other", {}}), Code::kInvalid, "a name is");
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

TEST_CASE("registry: what a protected field's indexes leak must be accepted, and what a rule cannot do is refused") {
  const Schema schema;
  const auto check = [&](const char* words, ValueKind kind = ValueKind::kText) {
    INFO(words);
    FieldSchema made = field("email", kind);
    const auto rule = codec::rule(words);
    REQUIRE(rule);
    made.rule = *rule;
    return check_type(schema, {"user", {made}});
  };
  for (const char* words : {"sealed", "digest", "sealed,exact", "digest,exact", "sealed,subject", "sealed,low_entropy",
                            "sealed,prefix(4),accept_leak", "sealed,exact,ngram(3),prefix(2),accept_leak",
                            "digest,low_entropy,accept_leak", "sealed,exact,low_entropy,accept_leak"}) {
    CHECK(check(words).ok());
  }
  refused(check("sealed,prefix(4)"), Code::kInvalid, "accept_leak");
  refused(check("sealed,ngram(3)"), Code::kInvalid, "accept_leak");
  refused(check("sealed,exact,low_entropy"), Code::kInvalid, "low_entropy");
  refused(check("digest,low_entropy"), Code::kInvalid, "low_entropy");
  refused(check("digest,prefix(4),accept_leak"), Code::kInvalid, "exact searches only");
  refused(check("digest,subject"), Code::kInvalid, "sealed fields");
  refused(check("none,exact"), Code::kInvalid, "protected fields");
  refused(check("none,subject"), Code::kInvalid, "protected fields");
  refused(check("sealed,accept_leak"), Code::kInvalid, "nothing of it leaks");
  refused(check("sealed,exact,exact"), Code::kInvalid, "twice");
  refused(check("sealed,exact", ValueKind::kJson), Code::kInvalid, "json");
  CHECK(check("sealed,exact", ValueKind::kNumber).ok());
  CHECK(check("digest", ValueKind::kJson).ok());
}

TEST_CASE("registry: no part of a rule may change, of fields and of columns") {
  Schema schema;
  FieldSchema email = field("email");
  email.rule = *codec::rule("sealed,exact,ngram(3),accept_leak");
  schema.apply(TypeSchema{"user", {email}});
  CHECK(schema.protects());
  ColumnSchema card = column("card", ValueKind::kText, 1);
  card.rule = *codec::rule("sealed,exact");
  schema.apply(card);
  for (const auto& [words, part] : std::vector<std::pair<const char*, const char*>>{
           {"none", "protection"},
           {"digest", "protection"},
           {"sealed,exact", "indexes"},
           {"sealed,ngram(3),exact,accept_leak", "indexes"},
           {"sealed,exact,ngram(4),accept_leak", "indexes"},
           {"sealed,exact,ngram(3),low_entropy,accept_leak", "low_entropy"},
           {"sealed,exact,ngram(3),accept_leak,subject", "subject"}}) {
    INFO(words);
    FieldSchema changed = email;
    changed.rule = *codec::rule(words);
    refused(check_type(schema, {"user", {changed}}), Code::kConflict, part);
  }
  ColumnSchema open = column("card");
  refused(check_column(schema, open), Code::kConflict, "protection");
  open.rule = *codec::rule("sealed,exact,low_entropy,accept_leak");
  refused(check_column(schema, open), Code::kConflict, "low_entropy");
  CHECK(check_column(schema, card).ok());
  ColumnSchema own = column("own");
  own.rule = *codec::rule("sealed,subject");
  refused(check_column(schema, own), Code::kInvalid, "subject");
  own.rule = *codec::rule("sealed");
  own.indexed = true;
  refused(check_column(schema, own), Code::kInvalid, "blind index");
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

TEST_CASE("registry: what a definition that adds fields does not name stays where it is, and a double is not lost") {
  Schema schema;
  const auto field = [](const char* name, const char* rule) {
    codec::FieldSchema one;
    one.name = name;
    one.rule = *codec::rule(rule);
    return one;
  };
  schema.apply(codec::TypeSchema{"user", {field("name", "sealed,exact"), field("email", "none")}});
  const auto defined = [&](std::vector<codec::FieldSchema> fields, bool changes_rules) {
    return as_defined(schema, {"user", std::move(fields)}, changes_rules, true);
  };
  const codec::TypeSchema added = defined({field("role", "none"), field("email", "digest")}, false).value();
  REQUIRE(added.fields.size() == 3);
  CHECK(added.fields[0] == field("name", "sealed,exact"));
  CHECK(added.fields[1] == field("email", "digest"));
  CHECK(added.fields[2] == field("role", "none"));
  CHECK(defined({field("name", "none")}, false).value().fields[0].rule == *codec::rule("sealed,exact"));
  CHECK(defined({field("name", "none")}, true).value().fields[0].rule.none());
  CHECK_FALSE(defined({field("name", "digest")}, false).ok());
  for (const char* name : {"name", "role"}) {
    const Result<void> twice = check_type(schema, defined({field(name, "none"), field(name, "none")}, false).value());
    REQUIRE_FALSE(twice.ok());
    CHECK_THAT(twice.error().message, ContainsSubstring("is defined twice"));
  }
}

}  // namespace
}  // namespace khipu::registry
