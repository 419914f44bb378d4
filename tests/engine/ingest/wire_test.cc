#include "engine/ingest/wire.h"

#include "engine/codec/cbor.h"
#include "engine/ingest/json_scan.h"
#include "tests/support/catch.h"

namespace khipu::ingest {
namespace {

using codec::Value;

Batch sample() {
  Batch batch;
  Event event;
  const FieldInput fields[] = {
      {"name", false, Value::of_text("Zo\xC3\xAB")},  {"age", false, Value::of_integer(INT64_MIN)},
      {"big", false, Value::of_unsigned(UINT64_MAX)}, {"r", false, Value::of_real(0.1)},
      {"j", false, Value::of_json("{ \"a\":1}")},     {"gone", true, {}}};
  event.occurred_at = -5;
  event.actor = {"user", "u-1", batch.keep(std::span<const FieldInput>(fields)), false};
  event.action = "PUT";
  event.action_class = codec::ActionClass::kUpdate;
  event.outcome = codec::Outcome::kDenied;
  const EntityInput targets[] = {{"account", "a", {}, false}, {"account", "b", {}, true}};
  event.targets = batch.keep(std::span<const EntityInput>(targets));
  event.url = "/u";
  event.source = "s";
  event.source_ip = "::1";
  event.event_id = "e";
  event.session = "x";
  event.on_behalf_of = EntityInput{"user", "u-2", {}, false, true};
  event.content_kind = codec::ContentKind::kText;
  event.content = batch.keep(as_bytes(std::string_view("\xFF\x00\x80raw", 6)));
  const ColumnInput columns[] = {{"tenant", Value::of_text("t")}};
  event.custom = batch.keep(std::span<const ColumnInput>(columns));
  batch.events.push_back(event);
  Event small;
  small.actor = {"user", "u", {}, false};
  small.action = "a";
  batch.events.push_back(small);
  batch.key = IdempotencyKey{"scope", "key", {1, 2, 3}};
  batch.event_keys = {{"a", "1", {}}, {"a", "2", {}}};
  codec::Import import;
  import.source = "f";
  import.format = "jsonl";
  import.to = 7;
  import.read = import.stored = 2;
  import.done = true;
  batch.statements.emplace_back(import);
  codec::ColumnSchema column;  // its number is the writer's to give
  column.name = "stage";
  column.indexed = true;
  batch.statements.emplace_back(codec::ColumnStatement{column});
  return batch;
}

bool same(const EntityInput& a, const EntityInput& b) {
  if (a.type != b.type || a.id != b.id || a.deleted != b.deleted || a.revives != b.revives ||
      a.fields.size() != b.fields.size())
    return false;
  for (size_t i = 0; i < a.fields.size(); ++i) {
    if (a.fields[i].name != b.fields[i].name || a.fields[i].remove != b.fields[i].remove) return false;
    if (!a.fields[i].remove && !(a.fields[i].value == b.fields[i].value)) return false;
  }
  return true;
}

TEST_CASE("wire: a batch comes back as it went, whatever bytes its content has") {
  Batch batch = sample();
  batch.changes_rules = true;
  batch.adds_fields = true;
  const Buffer bytes = encode_batch(batch);
  CHECK(encoded_size_max(batch) >= bytes.size());
  const auto decoded = decode_batch(bytes, {});
  INFO((decoded.ok() ? "" : decoded.error().message));
  REQUIRE(decoded.ok());
  CHECK(encode_batch(*decoded) == bytes);
  REQUIRE(decoded->events.size() == 2);
  const Event& event = decoded->events[0];
  const Event& was = batch.events[0];
  CHECK(event.occurred_at == was.occurred_at);
  CHECK(same(event.actor, was.actor));
  REQUIRE(event.targets.size() == 2);
  CHECK(same(event.targets[1], was.targets[1]));
  CHECK(same(*event.on_behalf_of, *was.on_behalf_of));
  CHECK(std::equal(event.content.begin(), event.content.end(), was.content.begin(), was.content.end()));
  CHECK(event.outcome == was.outcome);
  CHECK(event.session == was.session);
  CHECK(event.custom[0].value == was.custom[0].value);
  CHECK(!decoded->events[1].occurred_at);
  CHECK(decoded->changes_rules);
  CHECK(decoded->adds_fields);
  CHECK_FALSE(decode_batch(encode_batch(sample()), {})->adds_fields);
  CHECK_FALSE(decode_batch(encode_batch(sample()), {})->changes_rules);
  CHECK(decoded->key->body == batch.key->body);
  CHECK(decoded->event_keys[1].key == "2");
  CHECK(decoded->statements[1] == batch.statements[1]);
  CHECK(std::get<codec::Import>(decoded->statements[0]) == std::get<codec::Import>(batch.statements[0]));
}

TEST_CASE("wire: every truncation is refused, and no flipped bit passes as another form of the same batch") {
  const Buffer bytes = encode_batch(sample());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto result = decode_batch(Bytes(bytes).first(size), {});
    REQUIRE(!result.ok());
    CHECK(result.error().code != Code::kCorrupt);  // the sender's mistake is not damage on disk
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Buffer flipped = bytes;
    flipped[bit / 8] = static_cast<uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
    const auto result = decode_batch(flipped, {});
    if (!result.ok()) continue;
    const bool same_bytes = encode_batch(*result) == flipped;
    INFO("bit " << bit);
    REQUIRE(same_bytes);
  }
}

TEST_CASE("wire: limits and JSON are checked, because any process of the group may send") {
  Batch batch = sample();
  Limits limits;
  limits.batch_events_max = 1;
  CHECK(decode_batch(encode_batch(batch), limits).error().code == Code::kLimit);
  limits = {};
  limits.targets_max = 1;
  CHECK(decode_batch(encode_batch(batch), limits).error().code == Code::kLimit);
  limits = {};
  limits.fields_max = 2;
  CHECK(decode_batch(encode_batch(batch), limits).error().code == Code::kLimit);
  batch.events[0].content_kind = codec::ContentKind::kJson;
  CHECK_THAT(decode_batch(encode_batch(batch), {}).error().message, ContainsSubstring("event 0: content"));
  batch.events[0].content = as_bytes(std::string_view("{\"a\":1}"));
  CHECK(decode_batch(encode_batch(batch), {}).ok());
  Buffer bytes = encode_batch(batch);
  bytes[2] = 2;  // the version
  CHECK(decode_batch(bytes, {}).error().code == Code::kUnsupported);
  bytes[2] = 1;
  bytes.push_back(0);
  CHECK(!decode_batch(bytes, {}).ok());
}

TEST_CASE("json: numbers stay exact or are refused") {
  CHECK(*number_value("18446744073709551615") == Value::of_unsigned(UINT64_MAX));
  CHECK(*number_value("-9223372036854775808") == Value::of_integer(INT64_MIN));
  CHECK(*number_value("0") == Value::of_integer(0));
  CHECK(*number_value("1.5e3") == Value::of_real(1500));
  CHECK(!number_value("18446744073709551616").ok());
  CHECK(!number_value("-9223372036854775809").ok());
  CHECK(!number_value("1e400").ok());
}

TEST_CASE("json: the scanner accepts what RFC 8259 allows and nothing else") {
  for (const char* good :
       {"0", "-0", "-1.5E+7", "\"\"", "\"\\u0000\\ud83d\\ude00\"", " [ ] ", "{}", "[[],{\"a\":[{}]}]", "true", "null",
        "{\"a\":1,\"a\":2}", "[1,2 , 3]\n", "\"\x7F\"", "1e999"}) {
    INFO(good);
    CHECK(check_json(good).ok());
  }
  for (const char* bad : {"",           " ",     "[",    "]",          "[1",
                          "{\"a\":1",   "[,]",   "[1,]", "{,}",        "{\"a\"}",
                          "{\"a\":1,}", "{1:2}", "00",   "-",          "1.",
                          ".1",         "1e",    "+1",   "0x1",        "truth",
                          "True",       "\"",    "\"\\", "\"\\u12\"",  "\"\\ud800x\"",
                          "\"\t\"",     "[1]]",  "1 2",  "{\"a\":1}}", "\"\xC0\x80\"",
                          "/**/1",      "[1;2]"}) {
    INFO(bad);
    CHECK(!check_json(bad).ok());
  }
  CHECK(check_json(std::string(128, '[') + std::string(128, ']')).ok());
  CHECK(!check_json(std::string(129, '[') + std::string(129, ']')).ok());
  CHECK(!check_json(std::string_view("\0", 1)).ok());
}

}  // namespace
}  // namespace khipu::ingest
