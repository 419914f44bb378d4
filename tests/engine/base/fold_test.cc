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
