// Another CBOR implementation as the judge: nlohmann's. What we write it reads as the same value; what it writes we
// accept where it happens to be deterministic (its maps are in order of text, not of encoding; its floats are never
// half).
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/codec/cbor.h"
#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::codec;
using nlohmann::json;

static json random_value(std::mt19937_64& random, unsigned depth) {
  switch (random() % (depth > 4 ? 7 : 9)) {
    case 0: return random() >> random() % 64;
    case 1: return -1 - static_cast<int64_t>(random() >> (1 + random() % 63));
    case 2: return std::string(random() % 300, 'a') + "\xc3\xa9";
    case 3: return random() % 2 == 0;
    case 4: return nullptr;
    case 5: return static_cast<double>(static_cast<int64_t>(random())) / static_cast<double>(1ULL << random() % 60);
    case 6: return json::binary(std::vector<uint8_t>(random() % 300, 7));
    case 7: {
      json list = json::array();
      for (uint64_t i = random() % 6; i > 0; --i) list.push_back(random_value(random, depth + 1));
      return list;
    }
    default: {
      json map = json::object();
      for (uint64_t i = random() % 6; i > 0; --i) {
        map[std::string(1 + random() % 30, static_cast<char>('a' + random() % 26))] = random_value(random, depth + 1);
      }
      return map;
    }
  }
}

static void write(CborWriter& to, const json& value) {
  if (value.is_number_unsigned()) return to.unsigned_integer(value.get<uint64_t>());
  if (value.is_number_integer()) return to.integer(value.get<int64_t>());
  if (value.is_number_float()) return to.real(value.get<double>());
  if (value.is_string()) return to.text(value.get_ref<const std::string&>());
  if (value.is_boolean()) return to.boolean(value.get<bool>());
  if (value.is_null()) return to.null();
  if (value.is_binary()) return to.bytes(value.get_binary());
  if (value.is_array()) {
    to.array(value.size());
    for (const json& item : value) write(to, item);
    return;
  }
  std::vector<std::string> names;
  for (const auto& [name, item] : value.items()) names.push_back(name);
  std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return field_name_less(a, b); });
  to.map(names.size());
  for (const std::string& name : names) {
    to.text(name);
    write(to, value[name]);
  }
}

TEST_CASE("cbor: nlohmann reads what we write as the same value, and we read it to its end") {
  const unsigned seed = 3;
  std::mt19937_64 random(seed);
  CAPTURE(seed);
  for (int round = 0; round < 3000; ++round) {
    const json value = random_value(random, 0);
    Buffer bytes;
    {
      CborWriter writer(bytes);
      write(writer, value);
    }
    REQUIRE(json::from_cbor(bytes) == value);
    CborReader reader(bytes);
    const auto item = reader.skip();
    REQUIRE(item.ok());
    REQUIRE(reader.done());
    REQUIRE(item->size() == bytes.size());
  }
}

TEST_CASE("cbor: of what nlohmann writes we accept what is the deterministic form, and only that") {
  const unsigned seed = 4;
  std::mt19937_64 random(seed);
  CAPTURE(seed);
  size_t accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    const json value = random_value(random, 0);
    const Buffer theirs = json::to_cbor(value);
    Buffer ours;
    {
      CborWriter writer(ours);
      write(writer, value);
    }
    CborReader reader(theirs);
    const bool ok = reader.skip().ok() && reader.done();
    REQUIRE(ok == (theirs == ours));
    accepted += ok ? 1 : 0;
  }
  CHECK(accepted > 1000);
}

TEST_CASE("record: nlohmann finds nothing to object to in an event") {
  // It takes no integer keys, so the values are looked at one by one.
  Buffer bytes;
  encode_event(bytes, tests::full_event());
  CborReader reader(bytes);
  const auto count = reader.map();
  REQUIRE(count.ok());
  std::map<uint64_t, json> members;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto key = reader.unsigned_integer();
    REQUIRE(key.ok());
    const auto item = reader.skip();
    REQUIRE(item.ok());
    if (*key != 17) members[*key] = json::from_cbor(item->begin(), item->end());
  }
  CHECK(members[0] == 1);
  CHECK(members[2] == 1781500027123456);
  CHECK(members[4] == json::array({3, 300}));
  CHECK(members[5] == "PUT");
  CHECK(members[8] == json::parse("[9, [10, 11]]"));
  CHECK(members[18][2] == 2);
}
