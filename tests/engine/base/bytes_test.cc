#include "engine/base/bytes.h"

#include "tests/support/catch.h"

using namespace khipu;

TEST_CASE("bytes: hex goes both ways and refuses what is not hex") {
  const Buffer bytes = {0x00, 0x7f, 0xff};
  CHECK(hex(bytes) == "007fff");
  CHECK(from_hex("007FfF") == bytes);
  CHECK(from_hex("").has_value());
  CHECK_FALSE(from_hex("0").has_value());
  CHECK_FALSE(from_hex("0g").has_value());
}

TEST_CASE("bytes: base64 agrees with the vectors of RFC 4648 section 10") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    CHECK(base64(as_bytes(plain)) == coded);
    const auto back = from_base64(coded);
    REQUIRE(back.has_value());
    CHECK(as_text(*back) == plain);
  }
}

TEST_CASE("bytes: base64 with missing padding, inner padding, foreign letters or stray bits is refused") {
  for (const char* bad : {"Zg", "Zg=", "Z===", "Zg==Zg==", "Zm9_", "Zm 9", "Zh==", "Zm9="}) {
    INFO(bad);
    CHECK_FALSE(from_base64(bad).has_value());
  }
}

TEST_CASE("bytes: a cursor that overruns fails for good and yields zeroes") {
  const Buffer bytes = {1, 0, 2, 0, 0};
  Cursor cursor(bytes);
  CHECK(cursor.get<uint16_t>() == 1);
  CHECK(cursor.get<uint16_t>() == 2);
  CHECK_FALSE(cursor.failed());
  CHECK(cursor.get<uint16_t>() == 0);
  CHECK(cursor.failed());
  CHECK(cursor.take(1).empty());
  CHECK(cursor.rest().empty());
}
