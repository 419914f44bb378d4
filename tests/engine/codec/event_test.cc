// Events: round trips, every truncation and flipped bit, and each way a record can be malformed.
#include <random>

#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::codec;
using namespace khipu::tests;

static Buffer encoded(const EventRecord& event) {
  Buffer bytes;
  encode_event(bytes, event);
  return bytes;
}
static std::optional<Buffer> reencoded(const Buffer& bytes) {
  EventRecord event;
  if (!decode_event(bytes, event).ok()) return std::nullopt;
  return encoded(event);
}
static Error error_of(const std::string& text) {
  EventRecord event;
  const Buffer bytes = bytes_of(text);
  auto result = decode_event(bytes, event);
  CAPTURE(text);
  REQUIRE_FALSE(result.ok());
  return std::move(result).error();
}

TEST_CASE("event: every member comes back") {
  const EventRecord in = full_event();
  const Buffer bytes = encoded(in);
  EventRecord out;
  REQUIRE(decode_event(bytes, out).ok());
  CHECK(out.uid == in.uid);
  CHECK(out.recorded_at == in.recorded_at);
  CHECK(out.occurred_at == in.occurred_at);
  CHECK(out.actor == in.actor);
  CHECK(out.action == in.action);
  CHECK(out.action_class == in.action_class);
  CHECK(out.outcome == in.outcome);
  CHECK(out.targets == in.targets);
  CHECK(out.url == in.url);
  CHECK(out.source == in.source);
  CHECK(out.source_ip == in.source_ip);
  CHECK(out.event_id == in.event_id);
  CHECK(out.session == in.session);
  CHECK(out.on_behalf_of == in.on_behalf_of);
  CHECK(out.content_kind == in.content_kind);
  CHECK(as_text(out.content) == as_text(in.content));
  REQUIRE(out.custom.size() == in.custom.size());
  for (size_t i = 0; i < in.custom.size(); ++i) {
    CHECK(out.custom[i].column == in.custom[i].column);
    CHECK(out.custom[i].value == in.custom[i].value);
  }
  CHECK(out.idempotency == in.idempotency);
}

TEST_CASE("event: decoding over an event that was there before leaves nothing of it") {
  EventRecord event = full_event();
  const Buffer small = encoded(small_event());
  REQUIRE(decode_event(small, event).ok());
  CHECK(encoded(event) == small);
  CHECK(event.targets.empty());
  CHECK_FALSE(event.on_behalf_of.has_value());
  CHECK_FALSE(event.idempotency.has_value());
  CHECK(event.content_kind == ContentKind::kNone);
}

TEST_CASE("event: every truncation is corrupt, every flipped bit is corrupt or another event") {
  attack(encoded(full_event()), reencoded);
  attack(encoded(small_event()), reencoded);
  EventRecord text = small_event();
  text.content_kind = ContentKind::kText;
  text.content = as_bytes("\xff\x00 verbatim");
  attack(encoded(text), reencoded);
}

TEST_CASE("event: encoding appends, and empty members are not written") {
  Buffer bytes = {0xee};
  EventRecord event = small_event();
  event.content_kind = ContentKind::kJson;  // but there is none
  encode_event(bytes, event);
  CHECK(bytes[0] == 0xee);
  CHECK(Buffer(bytes.begin() + 1, bytes.end()) == encoded(small_event()));
}

TEST_CASE("event: each departure from the format is refused and says where") {
  const std::string uid = "0150000102030405060708090a0b0c0d0e0f";
  const std::string six = "0001" + uid + "0201 0320 0400 056178";
  EventRecord event;
  CHECK(decode_event(bytes_of("a6" + six), event).ok());

  CHECK(error_of("a6" + six + "00").message == "event: bytes are left over at byte 30");
  CHECK(error_of("a7" + six).message == "event: key that is unknown or out of place at byte 30");
  CHECK(error_of("a7" + six + "1400").message == "event: key that is unknown or out of place at byte 30");
  CHECK(error_of("a7" + six + "1818 00").code == Code::kCorrupt);
  CHECK(error_of("a8" + six + "0702 0601").message == "event: key that is unknown or out of place at byte 32");
  CHECK(error_of("a8" + six + "0601 0601").message == "event: key that is unknown or out of place at byte 32");
  CHECK(error_of("a5" + six).message == "event: expected key 5, the action at byte 27");
  CHECK(error_of("a5 0001" + uid + "0201 0320 056178").message == "event: expected key 4, the actor at byte 25");
  CHECK(error_of("a4" + uid + "0201 0320 0400").message == "event: expected key 0, the kind at byte 1");
  CHECK(error_of("a6 0001 0141aa 0201 0320 0400 056178").message == "event: byte string of the wrong length at byte 4");
  CHECK(error_of("a6 0001" + uid + "0201 0320 0400 054178").message == "event: expected text at byte 28");
  CHECK(error_of("a6 0001" + uid + "0201 0320 0400 0561ff").message == "event: invalid UTF-8 at byte 29");
  CHECK(error_of("a6 0001" + uid + "0201 0320 0400 0560").message == "event: empty text at byte 28");
  CHECK(error_of("80").message == "event: expected a map at byte 0");
  CHECK(error_of("").message == "event: the bytes end inside an item at byte 0");

  for (const char* member : {"0600",           "0609",           "06 1818",
                             "0620",           "0700",           "0704",  // enumerators
                             "0880",           "08 00",          "08 8182 0909",
                             "08 8182 0a09",   "08 8183 010203",  // targets, pins
                             "0960",           "0a60",           "0b60",
                             "0c60",           "0d60",           "0961ff",  // empty, not UTF-8
                             "0e 820101",      "0e 81 01",       "0e 20",   // on behalf of
                             "0f40",           "1040",           "0f6161",
                             "106161",  // content
                             "11a0",           "11a1 0001",      "11a1 1b0000000100000000 01",
                             "11a2 0201 0101", "11a1 01 f5",     "11a1 01 f6",
                             "11a1 01 40",     "11a1 01 80",     "11a1 6161 01",
                             "11a1 01 61ff"}) {
    CHECK(error_of("a7" + six + member).code == Code::kCorrupt);
  }
  const std::string sixteen = "50aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  CHECK(decode_event(bytes_of("a7" + six + "12 83" + sixteen + sixteen + "01"), event).ok());
  CHECK_FALSE(decode_event(bytes_of("a7" + six + "12 83" + sixteen + sixteen + "00"), event).ok());
  CHECK_FALSE(decode_event(bytes_of("a7" + six + "12 82" + sixteen + sixteen), event).ok());
  CHECK_FALSE(decode_event(bytes_of("a7" + six + "12 83 4100" + sixteen + "01"), event).ok());
  CHECK_FALSE(decode_event(bytes_of("a8" + six + "0f4161 104162"), event).ok());  // both kinds of content
}

TEST_CASE("event: a record of another kind is corrupt, of an unknown one unsupported") {
  const std::string rest = "0150000102030405060708090a0b0c0d0e0f 0201 0320 0400 056178";
  CHECK(error_of("a6 0002" + rest).code == Code::kCorrupt);
  CHECK(error_of("a6 0010" + rest).code == Code::kCorrupt);
  for (const char* kind : {"00", "05", "11", "1821", "18ff", "190101"}) {
    CHECK(error_of("a6 00" + std::string(kind) + rest).code == Code::kUnsupported);
  }
}

TEST_CASE("event: lengths that lie are refused without being believed") {
  const std::string six = "0001 0150000102030405060708090a0b0c0d0e0f 0201 0320 0400 056178";
  for (const char* member : {"08 9bffffffffffffffff 01", "097bffffffffffffffff61", "11bbffffffffffffffff0101",
                             "105bffffffffffffffff61", "08 9a7fffffff", "11ba7fffffff"}) {
    CHECK(error_of("a7" + six + member).code == Code::kCorrupt);
  }
}

TEST_CASE("event: random events come back") {
  const unsigned seed = 20261121;
  std::mt19937_64 random(seed);
  CAPTURE(seed);
  const std::string text(70000, 't');
  const auto below = [&](uint64_t limit) { return random() % limit; };
  const auto number = [&] { return random() >> below(64); };
  const auto maybe = [&](size_t limit) {
    return std::string_view(text).substr(0, below(3) == 0 ? 0 : 1 + below(limit));
  };
  const auto pin = [&] {
    const uint64_t entity = number() / 4;
    return Pin{Row{entity}, Row{entity + (below(2) == 0 ? 0 : number() / 4)}};
  };
  for (int round = 0; round < 2000; ++round) {
    EventRecord event;
    for (uint8_t& byte : event.uid) byte = static_cast<uint8_t>(random());
    event.recorded_at = static_cast<int64_t>(number());
    event.occurred_at = static_cast<int64_t>(random());
    event.actor = pin();
    event.action = std::string_view(text).substr(0, 1 + below(300));
    event.action_class = static_cast<ActionClass>(below(9));
    event.outcome = static_cast<Outcome>(below(4));
    for (uint64_t i = below(4) * below(100); i > 0; --i) event.targets.push_back(pin());
    event.url = maybe(300);
    event.source = maybe(24);
    event.source_ip = maybe(25);
    event.event_id = maybe(256);
    event.session = maybe(20);
    if (below(2) == 0) event.on_behalf_of = pin();
    event.content_kind = static_cast<ContentKind>(below(3));
    if (event.content_kind != ContentKind::kNone) event.content = as_bytes(text).first(1 + below(text.size() - 1));
    for (uint32_t column = 0; below(3) != 0;) {
      column += 1 + static_cast<uint32_t>(number() % 1000000);
      const Value values[] = {Value::of_text(maybe(30)), Value::of_json("{}"), Value::of_unsigned(number()),
                              Value::of_integer(static_cast<int64_t>(random())),
                              Value::of_real(static_cast<double>(static_cast<int64_t>(number())) / 8)};
      event.custom.push_back({column, values[below(5)]});
    }
    if (below(2) == 0) event.idempotency = IdempotencyMark{{1}, {2}, 1 + number() / 2};
    const Buffer bytes = encoded(event);
    REQUIRE(reencoded(bytes) == std::optional<Buffer>(bytes));
    const auto facts = frame_facts(bytes);
    REQUIRE(facts.ok());
    REQUIRE(facts->time_us == event.occurred_at);
  }
}

TEST_CASE("facts: kind, and key 3 or else key 2, whatever comes after them") {
  const Buffer event = encoded(full_event());
  const auto facts = frame_facts(event);
  REQUIRE(facts.ok());
  CHECK(facts->kind == 1);
  CHECK(facts->time_us == 1781500027000000);
  const Buffer without_time = bytes_of("a3 0003 0150000102030405060708090a0b0c0d0e0f 0207");
  CHECK(frame_facts(without_time)->time_us == 7);
  const Buffer no_row = bytes_of("a2 0010 0226");
  CHECK(frame_facts(no_row)->kind == 16);
  CHECK(frame_facts(no_row)->time_us == -7);
  CHECK(frame_facts(bytes_of("a2 0009 0201")).error().code == Code::kUnsupported);
  for (const char* text : {"", "a0", "80", "a1 0001", "a2 0001 0260", "a2 0101 0201", "a2 0001 0141aa 0201"}) {
    CHECK(frame_facts(bytes_of(text)).error().code == Code::kCorrupt);
  }
}

TEST_CASE("names of enumerators go both ways") {
  for (int i = 0; i <= 8; ++i) CHECK(action_class(name(static_cast<ActionClass>(i))) == static_cast<ActionClass>(i));
  for (int i = 0; i <= 3; ++i) CHECK(outcome(name(static_cast<Outcome>(i))) == static_cast<Outcome>(i));
  for (int i = 0; i <= 2; ++i) CHECK(value_kind(name(static_cast<ValueKind>(i))) == static_cast<ValueKind>(i));
  for (int i = 0; i <= 2; ++i) CHECK(protection(name(static_cast<Protection>(i))) == static_cast<Protection>(i));
  for (int i = 0; i <= 3; ++i) CHECK(blind_index(name(static_cast<BlindIndex>(i))) == static_cast<BlindIndex>(i));
  CHECK(name(ActionClass::kLogControl) == "log_control");
  CHECK(name(Outcome::kUnknown) == "unknown");
  CHECK_FALSE(action_class("Other").has_value());
  CHECK_FALSE(outcome("").has_value());
}
