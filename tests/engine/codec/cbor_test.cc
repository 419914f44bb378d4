// Deterministic CBOR: RFC 8949 appendix A where it is in our subset, and what must be refused.
#include "engine/codec/cbor.h"

#include <bit>

#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::codec;
using tests::bytes_of;

// One whole item and nothing after it.
static bool accepted(const Buffer& bytes) {
  CborReader reader(bytes);
  const auto item = reader.skip();
  return item.ok() && reader.expect_end().ok();
}

template <typename Write>
static std::string written(Write write) {
  Buffer bytes;
  {
    CborWriter writer(bytes);
    write(writer);
  }
  CHECK(accepted(bytes));
  return hex(bytes);
}

TEST_CASE("cbor: integers of RFC 8949 appendix A, both ways") {
  const std::pair<int64_t, const char*> signed_ones[] = {{0, "00"},
                                                         {1, "01"},
                                                         {10, "0a"},
                                                         {23, "17"},
                                                         {24, "1818"},
                                                         {25, "1819"},
                                                         {100, "1864"},
                                                         {255, "18ff"},
                                                         {256, "190100"},
                                                         {1000, "1903e8"},
                                                         {65535, "19ffff"},
                                                         {65536, "1a00010000"},
                                                         {1000000, "1a000f4240"},
                                                         {4294967295, "1affffffff"},
                                                         {4294967296, "1b0000000100000000"},
                                                         {1000000000000, "1b000000e8d4a51000"},
                                                         {INT64_MAX, "1b7fffffffffffffff"},
                                                         {-1, "20"},
                                                         {-10, "29"},
                                                         {-24, "37"},
                                                         {-25, "3818"},
                                                         {-100, "3863"},
                                                         {-1000, "3903e7"},
                                                         {INT64_MIN, "3b7fffffffffffffff"}};
  for (const auto& [value, text] : signed_ones) {
    CHECK(written([v = value](CborWriter& to) { to.integer(v); }) == text);
    const Buffer bytes = bytes_of(text);
    CborReader reader(bytes);
    const auto read = reader.integer();
    REQUIRE(read.ok());
    CHECK(*read == value);
    CHECK(reader.done());
  }
  CHECK(written([](CborWriter& to) { to.unsigned_integer(UINT64_MAX); }) == "1bffffffffffffffff");
  const Buffer greatest = bytes_of("1bffffffffffffffff");
  const Buffer least = bytes_of("3bffffffffffffffff");
  CHECK(*CborReader(greatest).unsigned_integer() == UINT64_MAX);
  CHECK_FALSE(CborReader(greatest).integer().ok());
  CHECK_FALSE(CborReader(least).integer().ok());
  CHECK(CborReader(least).next()->value == UINT64_MAX);
}

TEST_CASE("cbor: floats of RFC 8949 appendix A and the edges of half and single, in the shortest form, both ways") {
  const std::pair<double, const char*> values[] = {{0.0, "f90000"},
                                                   {-0.0, "f98000"},
                                                   {1.0, "f93c00"},
                                                   {1.1, "fb3ff199999999999a"},
                                                   {1.5, "f93e00"},
                                                   {65504.0, "f97bff"},
                                                   {100000.0, "fa47c35000"},
                                                   {3.4028234663852886e+38, "fa7f7fffff"},
                                                   {1.0e+300, "fb7e37e43c8800759c"},
                                                   {5.960464477539063e-8, "f90001"},
                                                   {0.00006103515625, "f90400"},
                                                   {-4.0, "f9c400"},
                                                   {-4.1, "fbc010666666666666"},
                                                   {65505.0, "fa477fe100"},
                                                   {65536.0, "fa47800000"},
                                                   {6.097555160522461e-05, "f903ff"},  // the greatest subnormal half
                                                   {2.9802322387695312e-08, "fa33000000"},  // half of the least half
                                                   {8.940696716308594e-08, "fa33c00000"},   // one and a half of it
                                                   {1.401298464324817e-45, "fa00000001"},   // the least single
                                                   {7.006492321624085e-46, "fb3690000000000000"},
                                                   {5e-324, "fb0000000000000001"},
                                                   {3.4028234663852889e+38, "fb47efffffe0000001"}};
  for (const auto& [value, text] : values) {
    CHECK(written([v = value](CborWriter& to) { to.real(v); }) == text);
    const Buffer bytes = bytes_of(text);
    const auto read = CborReader(bytes).real();
    REQUIRE(read.ok());
    CHECK(std::bit_cast<uint64_t>(*read) == std::bit_cast<uint64_t>(value));
  }
}

TEST_CASE("cbor: every half that is finite reads and writes back the same") {
  for (uint32_t half = 0; half <= 0xffff; ++half) {
    const Buffer bytes = {0xf9, static_cast<uint8_t>(half >> 8), static_cast<uint8_t>(half)};
    const auto read = CborReader(bytes).real();
    REQUIRE(read.ok() == ((half & 0x7c00) != 0x7c00));
    if (!read.ok()) continue;
    Buffer again;
    CborWriter(again).real(*read);
    REQUIRE(again == bytes);
  }
}

TEST_CASE("cbor: strings, arrays, maps and simple values of RFC 8949 appendix A") {
  CHECK(written([](CborWriter& to) { to.boolean(false); }) == "f4");
  CHECK(written([](CborWriter& to) { to.boolean(true); }) == "f5");
  CHECK(written([](CborWriter& to) { to.null(); }) == "f6");
  CHECK(written([](CborWriter& to) { to.bytes({}); }) == "40");
  CHECK(written([](CborWriter& to) { to.bytes(bytes_of("01020304")); }) == "4401020304");
  CHECK(written([](CborWriter& to) { to.text(""); }) == "60");
  CHECK(written([](CborWriter& to) { to.text("IETF"); }) == "6449455446");
  CHECK(written([](CborWriter& to) { to.text("\"\\"); }) == "62225c");
  CHECK(written([](CborWriter& to) { to.text("\xc3\xbc"); }) == "62c3bc");
  CHECK(written([](CborWriter& to) { to.text("\xe6\xb0\xb4"); }) == "63e6b0b4");
  CHECK(written([](CborWriter& to) { to.text("\xf0\x90\x85\x91"); }) == "64f0908591");
  CHECK(written([](CborWriter& to) { to.array(0); }) == "80");
  CHECK(written([](CborWriter& to) { to.map(0); }) == "a0");
  CHECK(written([](CborWriter& to) {
          to.map(2);
          to.text("a");
          to.unsigned_integer(1);
          to.text("b");
          to.array(2);
          to.unsigned_integer(2);
          to.raw(bytes_of("03"));
        }) == "a26161016162820203");
}

TEST_CASE("cbor: what is not deterministic, not in the subset or not whole is refused") {
  const char* texts[] = {"",  // nothing
                         "1800",
                         "1817",
                         "190000",
                         "1900ff",
                         "1a0000ffff",
                         "1b00000000ffffffff",  // longer than need be
                         "3817",
                         "5800",
                         "7817",
                         "9817",
                         "b817",
                         "5900ff",  // so too lengths
                         "1c",
                         "1d",
                         "1e",
                         "1f",
                         "5f",
                         "7f",
                         "9f",
                         "bf",
                         "ff",
                         "5f4101ff",
                         "9f01ff",  // reserved, indefinite
                         "c000",
                         "d74401020304",
                         "db000000000000000000",  // tags
                         "e0",
                         "f0",
                         "f3",
                         "f7",
                         "f800",
                         "f8ff",
                         "fc",
                         "fd",
                         "fe",  // simple values
                         "f97c00",
                         "f97e00",
                         "f9fc00",
                         "fa7f800000",
                         "fa7fc00000",
                         "fb7ff0000000000000",  // not finite
                         "fb3ff8000000000000",
                         "fa3fc00000",
                         "fb47efffffe0000000",
                         "fb0000000000000000",  // longer floats
                         "18",
                         "19",
                         "1901",
                         "1a",
                         "1a000001",
                         "1b",
                         "1b00000000000001",
                         "f9",
                         "f93c",
                         "fa47c350",
                         "fb3ff199",  // cut short
                         "41",
                         "4401",
                         "61",
                         "6449",
                         "81",
                         "8201",
                         "a1",
                         "a101",
                         "a2010203",
                         "61ff",
                         "62c080",
                         "63eda080",
                         "64f4908080",
                         "61c3",
                         "64f08080af",
                         "63e08080",  // not UTF-8
                         "a201000100",
                         "a202000100",
                         "a2616200616100",
                         "a26261610061620000",
                         "a2200000ff",  // keys repeated, out of order
                         "1bffffffffffffffff00",
                         "0000",  // and then something more
                         "9bffffffffffffffff00",
                         "bbffffffffffffffff0000",
                         "5bffffffffffffffff00"};  // lengths that lie
  for (const char* text : texts) {
    CAPTURE(text);
    CHECK_FALSE(accepted(bytes_of(text)));
  }
  CHECK(accepted(bytes_of("a2 0a00 1864 00")));  // 10 before 100
  CHECK(accepted(bytes_of("a2 00 00 20 00")));   // 0 before -1
  CHECK(accepted(bytes_of("a2 6162 00 626161 00")));
}

TEST_CASE("cbor: a head is read the same whatever stands behind it, and only in its shortest form") {
  for (const uint64_t value : {uint64_t{0}, uint64_t{23}, uint64_t{24}, uint64_t{255}, uint64_t{256}, uint64_t{65535},
                               uint64_t{65536}, uint64_t{UINT32_MAX}, uint64_t{UINT32_MAX} + 1, UINT64_MAX}) {
    for (size_t log = 0; log < 4; ++log) {
      const size_t size = size_t{1} << log;
      if (size < 8 && value >> (8 * size) != 0) continue;
      const uint64_t least = log == 0 ? 24 : uint64_t{1} << (4 * size);
      Buffer bytes = {static_cast<uint8_t>(24 + log)};
      for (size_t i = size; i-- > 0;) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
      for (size_t behind = 0; behind < 10; ++behind, bytes.push_back(0xff)) {
        INFO(value << " in " << size << " with " << behind << " behind");
        CborReader reader(bytes);
        const auto read = reader.unsigned_integer();
        REQUIRE(read.ok() == (value >= least));
        if (!read.ok()) continue;
        CHECK(*read == value);
        CHECK(reader.offset() == 1 + size);
        CHECK_FALSE(CborReader(Bytes(bytes).first(size)).unsigned_integer().ok());
      }
    }
  }
}

TEST_CASE("cbor: a byte that is no UTF-8 is found wherever it stands in a text of any size") {
  for (size_t size = 1; size < 80; ++size) {
    Buffer bytes;
    CborWriter(bytes).text(std::string(size, 'a'));
    REQUIRE(CborReader(bytes).text().ok());
    for (size_t at = bytes.size() - size; at < bytes.size(); ++at) {
      INFO(size << " bytes, the one at " << at);
      bytes[at] = 0x80;
      CHECK_FALSE(CborReader(bytes).text().ok());
      bytes[at] = 'a';
    }
  }
}

TEST_CASE("cbor: nesting is followed to sixteen levels and no further") {
  const auto nested = [](size_t depth) {
    Buffer bytes(depth, 0x81);
    bytes.push_back(0);
    return bytes;
  };
  CHECK(accepted(nested(15)));
  CHECK_FALSE(accepted(nested(16)));
  CHECK_FALSE(accepted(nested(100000)));
}

TEST_CASE("cbor: an error says what was expected and at which byte, and the reader stays where it was") {
  const Buffer bytes = bytes_of("01 6161 02");
  CborReader reader(bytes);
  REQUIRE(reader.unsigned_integer().ok());
  const auto wrong = reader.bytes();
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.error().code == Code::kCorrupt);
  CHECK(wrong.error().message == "expected a byte string at byte 1");
  CHECK(reader.offset() == 1);
  CHECK(*reader.text() == "a");
  CHECK(reader.expect_end().error().message == "bytes are left over at byte 3");
  CHECK_FALSE(reader.fixed<3>().ok());
}

TEST_CASE("cbor: kinds are told before they are read") {
  const std::pair<const char*, CborKind> kinds[] = {
      {"00", CborKind::kUnsigned}, {"20", CborKind::kNegative}, {"40", CborKind::kBytes}, {"60", CborKind::kText},
      {"80", CborKind::kArray},    {"a0", CborKind::kMap},      {"f4", CborKind::kFalse}, {"f5", CborKind::kTrue},
      {"f6", CborKind::kNull},     {"f93c00", CborKind::kFloat}};
  for (const auto& [text, kind] : kinds) {
    const Buffer bytes = bytes_of(text);
    CborReader reader(bytes);
    CHECK(reader.peek() == kind);
    const auto item = reader.next();
    REQUIRE(item.ok());
    CHECK(item->kind == kind);
    CHECK(reader.done());
  }
  const Buffer tag = bytes_of("c000");
  CHECK_FALSE(CborReader(tag).next().ok());
}

TEST_CASE("cbor: a map with integer keys refuses repeats and disorder") {
  const auto keys = [](const char* text) {
    const Buffer bytes = bytes_of(text);
    CborReader reader(bytes);
    auto map = CborIntMap::open(reader);
    REQUIRE(map.ok());
    std::string seen;
    while (true) {
      const auto key = map->next();
      if (!key.ok()) return seen + "!";
      if (!key->has_value()) return seen;
      seen += std::to_string(**key) + " ";
      if (!reader.skip().ok()) return seen + "?";
    }
  };
  CHECK(keys("a0").empty());
  CHECK(keys("a3 0061 61 0501 18ff02") == "0 5 255 ");
  CHECK(keys("a2 0101 0102") == "1 !");
  CHECK(keys("a2 0201 0102") == "2 !");
  CHECK(keys("a1 616101") == "!");
  CHECK(keys("a2 0101") == "1 !");
}

TEST_CASE("utf-8: well-formed and ill-formed sequences (RFC 3629, Unicode table 3-7)") {
  for (const char* text : {"", "41", "c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf"}) {
    CHECK(valid_utf8(bytes_of(text)));
  }
  for (const char* text : {"80", "bf", "c0af", "c1bf", "c2", "c241", "e09fbf", "e0a0", "eda080", "edbfbf", "f08fbfbf",
                           "f0", "f4908080", "f5808080", "ff", "4180", "e28241", "f09f9841"}) {
    CAPTURE(text);
    CHECK_FALSE(valid_utf8(bytes_of(text)));
    // Also where the fast look at ASCII is what sees it, at every place in a word.
    for (size_t front = 0; front < 20; ++front) {
      Buffer broken(front, 'a');
      append(broken, bytes_of(text));
      broken.resize(broken.size() + front % 5, 'b');
      Buffer item;
      CborWriter(item).bytes(broken);
      item[0] = static_cast<uint8_t>(item[0] | 0x60);  // the same as text
      CHECK_FALSE(accepted(item));
    }
  }
}
