#include "engine/ingest/validate.h"

#include <cmath>

#include "engine/base/time.h"
#include "tests/support/catch.h"

namespace khipu::ingest {
namespace {

using codec::Value;

constexpr TimeUs kNow = 1781500027000000;

registry::Schema schema() {
  registry::Schema made;
  codec::TypeSchema user{"user", {{"name"}, {"age", codec::ValueKind::kNumber}, {"tags", codec::ValueKind::kJson}}};
  codec::FieldSchema secret;
  secret.name = "ssn";
  secret.rule.protection = codec::Protection::kSealed;
  user.fields.push_back(secret);
  codec::FieldSchema digest;
  digest.name = "pin";
  digest.rule.protection = codec::Protection::kDigest;
  user.fields.push_back(digest);
  made.apply(user);
  made.apply(codec::TypeSchema{"account", {}});
  codec::ColumnSchema tenant;
  tenant.id = 1;
  tenant.name = "tenant";
  made.apply(tenant);
  return made;
}

// A valid event and places to spoil it.
struct Sample {
  Sample() {
    event.actor.type = "user";
    event.actor.id = "u-1";
    event.action = "GET";
    event.occurred_at = kNow;
  }
  Result<void> check(const Limits& limits = {}) {
    event.actor.fields = fields;
    event.targets = targets;
    event.custom = columns;
    return validate(event, schema_, limits, kNow);
  }
  void refused(const std::string& part, Code code = Code::kInvalid) {
    const auto result = check();
    REQUIRE(!result.ok());
    CHECK(result.error().code == code);
    CHECK_THAT(result.error().message, ContainsSubstring(part));
  }
  registry::Schema schema_ = schema();
  Event event;
  std::vector<FieldInput> fields;
  std::vector<EntityInput> targets;
  std::vector<ColumnInput> columns;
};

TEST_CASE("validate: what stands for a withheld value is refused, and a digest is not said to be opened by a key") {
  Sample sample;
  sample.fields = {{"ssn", false, Value::of_json(R"({"withheld":"sealed","size_class":32})")}};
  sample.refused("exported without the key that opens it");
  sample.fields = {{"pin", false, Value::of_json(R"({"withheld":"digest"})")}};
  sample.refused("a digest stands here, which no key opens");
}

TEST_CASE("validate: an ordinary event passes") {
  Sample sample;
  sample.fields = {{"name", false, Value::of_text("Zo\xC3\xAB\n")},
                   {"age", false, Value::of_unsigned(UINT64_MAX)},
                   {"tags", true, {}}};
  sample.targets.resize(2);
  sample.targets[0].type = sample.targets[1].type = "account";
  sample.targets[0].id = sample.targets[1].id = "a";
  sample.targets[1].deleted = true;
  sample.columns = {{"tenant", Value::of_text("acme")}};
  sample.event.source_ip = "2001:db8::1";
  const auto result = sample.check();
  INFO((result.ok() ? "" : result.error().message));
  CHECK(result.ok());
}

TEST_CASE("validate: an unknown type or field is refused with the command that would define it") {
  Sample sample;
  sample.event.actor.type = "usr";
  sample.fields = {{"name", false, Value::of_text("a")}, {"n", false, Value::of_integer(1)}};
  sample.refused("did you mean 'user'");
  sample.refused("khipu types add ROOT usr name:text n:number");
  sample.event.actor.type = "user";
  sample.fields = {{"nmae", false, Value::of_text("a")}};
  sample.refused("actor.fields.nmae");
  sample.refused("did you mean 'name'");
  sample.refused("khipu types add ROOT user nmae:text");
  sample.fields = {{"x'; rm -rf", false, Value::of_text("a")}};
  sample.refused("khipu types add ROOT user NAME:text");  // a command in a message never carries the input's bytes
  sample.fields.clear();
  sample.columns = {{"tenat", Value::of_text("a")}};
  sample.refused("khipu columns add ROOT tenat --kind text");
}

TEST_CASE("validate: kinds must fit, names come once, numbers are finite, a deleted entity has no fields") {
  Sample sample;
  sample.fields = {{"age", false, Value::of_text("3")}};
  sample.refused("actor.fields.age: expected number, got text");
  sample.fields = {{"age", false, Value::of_real(NAN)}};
  sample.refused("not finite");
  sample.fields = {{"name", false, Value::of_text("a")}, {"name", false, Value::of_text("b")}};
  sample.refused("named twice");
  sample.fields = {{"name", false, Value::of_text("\xFF")}};
  sample.refused("UTF-8");
  sample.fields = {{"name", false, Value::of_text("a")}};
  sample.event.actor.deleted = true;
  sample.refused("takes no fields");
  sample.event.actor.deleted = false;
  sample.fields.clear();
  sample.columns = {{"tenant", Value::of_integer(3)}};  // REFERENCE scenario 3
  sample.refused("custom.tenant: expected text, got number");
  sample.columns = {{"tenant", Value::of_text("a")}, {"tenant", Value::of_text("a")}};
  sample.refused("named twice");
}

TEST_CASE("validate: values of protected fields come in the clear, and what says it is protected already is refused") {
  Sample sample;
  sample.fields = {{"ssn", false, Value::of_text("078-05-1120")}};
  CHECK(sample.check().ok());
  const Buffer encoded = {0xa2, 0x00, 0x02, 0x01, 0x41, 0x01};
  sample.fields = {{"ssn", false, Value::of_protected(encoded)}};
  sample.refused("in the clear");
}

TEST_CASE("validate: control characters in ids, actions, sources and the rest are evidence and come in") {
  constexpr std::string_view kTyped("root\x1b[2J\r\nSYSTEM: all clear\x00\x7f", 29);
  Sample sample;
  sample.event.actor.id = kTyped;
  sample.event.action = kTyped;
  sample.event.url = kTyped;
  sample.event.source = kTyped;
  sample.event.event_id = kTyped;
  sample.event.session = kTyped;
  const Result<void> checked = sample.check();
  INFO((checked.ok() ? "" : checked.error().message));
  CHECK(checked.ok());
  // Where an error has to name one, it is not passed on as it is.
  sample.event.actor.type = "us\x1b[2Jer";
  const Result<void> refused = sample.check();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.find('\x1b') == std::string::npos);
}

TEST_CASE("validate: empty, oversized and invalid texts are refused where they stand") {
  Sample sample;
  sample.event.action = "";
  sample.refused("action");
  sample.event.action = "GET and twenty more bytes \xFF";
  sample.refused("UTF-8");
  sample.event.action = "GET";
  sample.event.actor.id = "";
  sample.refused("actor.id");
  const std::string long_id(1025, 'x');
  sample.event.actor.id = long_id;
  sample.refused("1024", Code::kLimit);
  sample.event.actor.id = std::string_view(long_id).substr(1);
  CHECK(sample.check().ok());
  sample.event.actor.type = "";
  sample.refused("actor.type");
}

TEST_CASE("validate: times beyond the limit ahead of the clock, and outside of the calendar, are refused") {
  Sample sample;
  const Limits limits;
  sample.event.occurred_at = kNow + limits.future_us_max;
  CHECK(sample.check().ok());
  sample.event.occurred_at = kNow + limits.future_us_max + 1;
  sample.refused("ahead of this machine's clock");
  sample.event.occurred_at = kTimeMin - 1;
  sample.refused("years 0001 to 9999");
  sample.event.occurred_at = kTimeMin;
  CHECK(sample.check().ok());
}

TEST_CASE("validate: scenario 4: a column is required from its moment on, late events stay writable") {
  Sample sample;
  codec::ColumnSchema reason;
  reason.id = 2;
  reason.name = "reason";
  reason.required = true;
  reason.required_since_us = kNow;
  sample.schema_.apply(reason);
  sample.event.occurred_at = kNow - 1000000;
  CHECK(sample.check().ok());
  sample.event.occurred_at = kNow;
  sample.refused("custom.reason: required since");
  sample.event.occurred_at.reset();
  sample.refused("custom.reason");
  sample.columns = {{"reason", Value::of_text("x")}};
  CHECK(sample.check().ok());
}

TEST_CASE("validate: source_ip is an address and content is there or not") {
  Sample sample;
  for (const char* bad : {"AWS Internal", "192.0.2", "192.0.2.1:80", "192.0.2.0/24", "fe80::1%eth0", "::g"}) {
    sample.event.source_ip = bad;
    sample.refused("source_ip");
  }
  for (const char* good : {"192.0.2.1", "::", "2001:db8::192.0.2.1"}) CHECK(is_ip_address(good));
  sample.event.source_ip = {};
  sample.event.content_kind = codec::ContentKind::kText;
  sample.refused("content");
  Limits limits;
  limits.event_size_bytes_max = 100;
  const std::string text(100, '\xFF');  // any bytes are fine as text content
  sample.event.content = as_bytes(text);
  const auto result = sample.check(limits);
  REQUIRE(!result.ok());
  CHECK(result.error().code == Code::kLimit);
  CHECK(sample.check().ok());
}

TEST_CASE("validate: no producer can state what only the writer may") {
  const auto stated = [](codec::Statement statement) {
    Batch batch;
    batch.statements.push_back(std::move(statement));
    return validate(batch, schema(), {}, kNow);
  };
  CHECK(stated(codec::TypeStatement{{"device", {}}}).ok());
  CHECK(stated(codec::ColumnStatement{}).ok());
  CHECK(stated(codec::Import{}).ok());
  for (const codec::Statement& statement : std::initializer_list<codec::Statement>{
           codec::Genesis{}, codec::RecoveryStatement{}, codec::TableHead{}, codec::IndexStatement{},
           codec::KeyStatement{}, codec::Retention{}, codec::Hold{}, codec::Shred{}, codec::Rollback{}, codec::Clock{},
           codec::Heartbeat{}}) {
    const auto refused = stated(statement);
    REQUIRE(!refused.ok());
    CHECK(refused.error().code == Code::kInvalid);
    CHECK_THAT(refused.error().message, ContainsSubstring(std::string(codec::name(codec::type_of(statement)))));
  }
}

TEST_CASE("validate: a batch names the event, and bounds its size and keys") {
  Batch batch;
  CHECK(!validate(batch, schema(), {}, kNow).ok());
  Sample sample;
  batch.events = {sample.event, sample.event};
  CHECK(validate(batch, schema(), {}, kNow).ok());
  batch.events[1].action = {};
  const auto result = validate(batch, schema(), {}, kNow);
  REQUIRE(!result.ok());
  CHECK_THAT(result.error().message, ContainsSubstring("event 1: action"));
  batch.events[1].action = "x";
  Limits limits;
  limits.batch_events_max = 1;
  CHECK(validate(batch, schema(), limits, kNow).error().code == Code::kLimit);
  batch.event_keys.resize(1);
  CHECK(!validate(batch, schema(), {}, kNow).ok());
  batch.event_keys.clear();
  batch.key = IdempotencyKey{"s", std::string(257, 'k'), {}};
  CHECK(!validate(batch, schema(), {}, kNow).ok());
  batch.key->key.resize(256);
  CHECK(validate(batch, schema(), {}, kNow).ok());
}

}  // namespace
}  // namespace khipu::ingest
