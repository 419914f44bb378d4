// Versions of entities, and the field map that change detection compares.
#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::codec;
using namespace khipu::tests;

static Buffer encoded(const VersionRecord& version) {
  Buffer bytes;
  encode_version(bytes, version);
  return bytes;
}
static std::optional<Buffer> reencoded(const Buffer& bytes) {
  VersionRecord version;
  if (!decode_version(bytes, version).ok()) return std::nullopt;
  return encoded(version);
}

static VersionRecord third_version() {
  VersionRecord version;
  version.uid = counting_uid();
  version.recorded_at = 1781500027123456;
  version.time = -5;
  version.type = "user";
  version.id = "u-1001";
  version.entity = Row{70000};
  version.version = 2;
  version.previous = Row{70001};
  version.deleted = true;
  version.fields = {{"z", Value::of_text("")},
                    {"age", Value::of_unsigned(UINT64_MAX)},
                    {"bio", Value::of_json("[1, 2]")},
                    {"size", Value::of_real(-0.0)}};
  version.seq = Row{12345678901};
  return version;
}

TEST_CASE("version: every member comes back") {
  const VersionRecord in = third_version();
  const Buffer bytes = encoded(in);
  VersionRecord out;
  REQUIRE(decode_version(bytes, out).ok());
  CHECK(out.uid == in.uid);
  CHECK(out.recorded_at == in.recorded_at);
  CHECK(out.time == in.time);
  CHECK(out.type == in.type);
  CHECK(out.id == in.id);
  CHECK(out.entity == in.entity);
  CHECK(out.version == in.version);
  CHECK(out.previous == in.previous);
  CHECK(out.deleted);
  REQUIRE(out.fields.size() == in.fields.size());
  for (size_t i = 0; i < in.fields.size(); ++i) {
    CHECK(out.fields[i].name == in.fields[i].name);
    CHECK(out.fields[i].value == in.fields[i].value);
  }
  CHECK(out.fields[1].value.unsigned_integer == UINT64_MAX);
  CHECK(out.seq == in.seq);
  const auto facts = frame_facts(bytes);
  REQUIRE(facts.ok());
  CHECK(facts->kind == 2);
  CHECK(facts->time_us == -5);
}

TEST_CASE("version: every truncation is corrupt, every flipped bit is corrupt or another version") {
  attack(encoded(third_version()), reencoded);
  VersionRecord first;
  first.type = "user";
  first.id = "u-1";
  attack(encoded(first), reencoded);
}

TEST_CASE("version: decoding over a version that was there before leaves nothing of it") {
  VersionRecord version = third_version();
  VersionRecord first;
  first.type = "user";
  first.id = "u-1";
  const Buffer bytes = encoded(first);
  REQUIRE(decode_version(bytes, version).ok());
  CHECK(encoded(version) == bytes);
}

TEST_CASE("version: each departure from the format is refused") {
  const std::string six = "0002 0150000102030405060708090a0b0c0d0e0f 0201 0320 046161 056162";
  const auto accepted = [](const std::string& text) { return reencoded(bytes_of(text)).has_value(); };
  CHECK(accepted("a6" + six));
  CHECK(accepted("a9" + six + "0605 0701 0805"));
  CHECK(accepted("a9" + six + "0605 0702 0806"));
  for (const char* three : {"0605 0700 0805",  // the first version has no key 7
                            "0605 0701 0806",  // the second follows the first directly
                            "0605 0702 0805", "0605 0702 0804"}) {
    CHECK_FALSE(accepted("a9" + six + three));
  }
  for (const char* one : {"0605", "0701", "0805", "09f4", "0901", "0aa0", "0aa16001", "0aa1616140", "0aa16161f5",
                          "0b20", "0c00", "0a80"}) {
    CAPTURE(one);
    CHECK_FALSE(accepted("a7" + six + one));
  }
  CHECK(accepted("a7" + six + "0aa2 616201 62616101"));
  CHECK_FALSE(accepted("a7" + six + "0aa2 62616101 616201"));  // shorter names come first
  CHECK_FALSE(accepted("a7" + six + "0aa2 616101 616101"));
  CHECK_FALSE(accepted("a6 0002 0150000102030405060708090a0b0c0d0e0f 0201 0320 0460 056162"));
  CHECK_FALSE(accepted("a6 0002 0150000102030405060708090a0b0c0d0e0f 0201 0320 046161 0560"));
}

TEST_CASE("version: field names are ordered as CBOR orders keys") {
  CHECK(field_name_less("b", "aa"));
  CHECK(field_name_less("a", "b"));
  CHECK_FALSE(field_name_less("aa", "b"));
  CHECK_FALSE(field_name_less("a", "a"));
  Buffer none;
  append_fields(none, {});
  CHECK(hex(none) == "a0");
  Buffer some;
  append_fields(some, {{"b", Value::of_integer(1)}, {"aa", Value::of_text("x")}});
  CHECK(hex(some) ==
        "a2616201626161"
        "6178");
}

TEST_CASE("version: it is shown by its name, by nothing while that is protected, else by its first text") {
  VersionRecord version;
  const auto shown = [&](std::vector<NamedValue> fields) {
    version.fields = std::move(fields);
    return std::string(display_name(version));
  };
  const NamedValue city = {"city", Value::of_text("Quito")}, role = {"role", Value::of_text("admin")},
                   age = {"age", Value::of_integer(41)};
  CHECK(shown({}) == "");
  CHECK(shown({age}) == "");
  CHECK(shown({age, city, role}) == "Quito");
  CHECK(shown({{"bio", Value::of_text("")}, city}) == "Quito");
  CHECK(shown({city, {"name", Value::of_text("Ada")}, role}) == "Ada");
  CHECK(shown({city, {"name", Value::of_text("")}, role}) == "");
  CHECK(shown({city, {"name", Value::of_integer(4)}, role}) == "Quito");
  CHECK(shown({city, {"name", Value::of_protected(as_bytes("sealed"))}, role}) == "");
}
