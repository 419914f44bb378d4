#include "engine/base/fold.h"

#include <random>

#include "tests/support/catch.h"

using namespace khipu;

TEST_CASE("fold: letters of every script with case are lowered one to one") {
  CHECK(fold("Alice.SMITH@Example.ORG") == "alice.smith@example.org");
  CHECK(fold("ÀÉÎÕÜ ŁÓDŹ ΑΒΓ ДОМ ԱԲ ＡＢ Ⅷ Ⓐ 𐐀") == "àéîõü łódź αβγ дом աբ ａｂ ⅷ ⓐ 𐐨");
  CHECK(fold("Straße ǅ İ") == "straße ǆ i");
  CHECK(fold("1234 _-. 日本") == "1234 _-. 日本");
}

TEST_CASE("fold: bytes that are not UTF-8 stay as they are") {
  for (const char* text : {"\xff\xfe", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"}) {
    CHECK(fold(text).size() == std::string_view(text).size());
  }
}

TEST_CASE("fold: comparing folds the text and gives the same with and without the ASCII path") {
  for (const char* text : {"Hello World", "Hellö WÖRLD", "", "É"}) {
    const std::string folded = fold(text);
    CHECK(equals_folded(text, folded));
    CHECK(starts_folded(text, folded));
    CHECK(contains_folded(text, folded));
    for (size_t from = 0; from < folded.size(); ++from) {
      CHECK(contains_folded(text, std::string_view(folded).substr(from)));
      CHECK(starts_folded(text, std::string_view(folded).substr(0, from)));
      CHECK_FALSE(equals_folded(text, std::string_view(folded).substr(0, from)));
    }
  }
  CHECK_FALSE(contains_folded("Hello", "hello!"));
  CHECK_FALSE(starts_folded("Hello", "ello"));
  CHECK(contains_folded("anything", ""));
}

TEST_CASE("fold: what is contained is found wherever it stands, in either case, and nothing else is") {
  std::mt19937_64 random(3);
  const std::string_view letters = "aAbB@`[{01\x7f";  // with neighbours of letters that differ in the same bit
  for (int round = 0; round < 20000; ++round) {
    std::string text, word;
    for (uint64_t i = random() % 40; i > 0; --i) text += letters[random() % letters.size()];
    if (random() % 20 == 0) text += "\u00c4";  // no longer ASCII
    for (uint64_t i = 1 + random() % 4; i > 0; --i) word += letters[random() % letters.size()];
    word = fold(word);
    INFO(text << " contains " << word);
    REQUIRE(contains_folded(text, word) == (fold(text).find(word) != std::string::npos));
  }
}

TEST_CASE("fold: bytes that cannot hold a text are told, and never of one that is in them") {
  std::mt19937_64 random(4);
  const std::string texts[] = {"the quick Fox", "\u212aelvin", "\u0130stanbul", "\u00c9t\u00e9", "plain"};
  for (int round = 0; round < 5000; ++round) {
    std::string bytes;
    for (uint64_t i = random() % 30; i > 0; --i) bytes += static_cast<char>(random());
    const std::string& text = texts[random() % 5];
    const std::string folded = fold(text);
    const size_t from = random() % folded.size();
    const std::string word = folded.substr(from, 1 + random() % 6);
    INFO(text << " contains " << word);
    REQUIRE(may_contain_folded(as_bytes(bytes + text + bytes), word));
  }
  CHECK_FALSE(may_contain_folded(as_bytes(std::string_view("the quick fox")), "dog"));
  CHECK_FALSE(may_contain_folded({}, "dog"));
  // No other letter is lowered into ASCII.
  for (uint32_t point = 0x80; point < 0x11000; ++point) {
    if (point >= 0xD800 && point < 0xE000) continue;
    std::string text;
    if (point < 0x800) {
      text = {static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 0x3F))};
    } else if (point < 0x10000) {
      text = {static_cast<char>(0xE0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 0x3F)),
              static_cast<char>(0x80 | (point & 0x3F))};
    } else {
      text = {static_cast<char>(0xF0 | point >> 18), static_cast<char>(0x80 | (point >> 12 & 0x3F)),
              static_cast<char>(0x80 | (point >> 6 & 0x3F)), static_cast<char>(0x80 | (point & 0x3F))};
    }
    const std::string folded = fold(text);
    INFO(point);
    REQUIRE((static_cast<signed char>(folded[0]) < 0 || point == 0x130 || point == 0x212A));
  }
}
