#include "engine/cli/line_input.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace khipu::cli {
namespace {

// Gives `text` in pieces of `step` bytes, as a pipe might.
LineInput::Read pieces(const std::string& text, size_t step) {
  return [&text, step, at = size_t{0}](std::span<uint8_t> into) mutable -> Result<size_t> {
    const size_t size = std::min({step, into.size(), text.size() - at});
    std::copy_n(text.data() + at, size, into.data());
    at += size;
    return size;
  };
}

TEST_CASE("line input: lines come with number and offset, in whatever pieces the bytes arrive") {
  std::string text = "first\n\nthird with _ in it\r\n";
  text[18] = '\0';
  text += std::string(700000, 'x') + "\nlast without a newline";
  std::vector<std::string> expected = {"first", "", text.substr(7, 19), std::string(700000, 'x'),
                                       "last without a newline"};
  for (const size_t step : {size_t{1}, size_t{7}, size_t{4096}, text.size()}) {
    LineInput input(pieces(text, step), 1 << 20);
    uint64_t offset = 0, number = 0;
    for (const std::string& line : expected) {
      InputLine got;
      const Result<bool> more = input.next(got);
      REQUIRE(more.ok());
      REQUIRE(*more);
      CHECK(got.number == ++number);
      CHECK(got.offset == offset);
      CHECK((got.text == line));
      offset += line.size() + 1;
    }
    InputLine none;
    const Result<bool> more = input.next(none);
    REQUIRE(more.ok());
    CHECK(!*more);
  }
}

TEST_CASE("line input: a line may be as long as the limit, one byte more is refused by its number") {
  const std::string text = "a\n" + std::string(1000, 'b') + "\n" + std::string(1001, 'c') + "\n";
  LineInput input(pieces(text, 64), 1000);
  InputLine line;
  REQUIRE(input.next(line).ok());
  const Result<bool> longest = input.next(line);
  REQUIRE(longest.ok());
  CHECK(line.text.size() == 1000);
  const Result<bool> over = input.next(line);
  REQUIRE(!over.ok());
  CHECK(over.error().code == Code::kLimit);
  CHECK(over.error().message == "line 3: longer than 1000 bytes");
}

TEST_CASE("line input: a line that is too long is passed over, and its beginning and size are told") {
  const std::string text = "a\n" + std::string(1000000, 'b') + "c\nd\n" + std::string(2000, 'e');
  for (const size_t step : {size_t{7}, size_t{4096}, text.size()}) {
    LineInput input(pieces(text, step), 1000);
    InputLine line;
    REQUIRE(input.next(line).ok());
    REQUIRE(input.next(line).error().code == Code::kLimit);
    const auto passed = input.pass_over(100);
    REQUIRE(passed.ok());
    CHECK(passed->size == 1000001);
    CHECK(passed->line.number == 2);
    CHECK(passed->line.offset == 2);
    CHECK(passed->line.text == std::string(100, 'b'));
    REQUIRE(input.next(line).value());
    CHECK(line.text == "d");
    CHECK(line.number == 3);
    CHECK(line.offset == 1000004);
    REQUIRE(input.next(line).error().code == Code::kLimit);
    CHECK(input.pass_over(100).value().size == 2000);
    CHECK_FALSE(input.next(line).value());
  }
}

TEST_CASE("line input: an endless line is refused while it comes, and a failed read is told") {
  size_t given = 0;
  LineInput endless(
      [&](std::span<uint8_t> into) -> Result<size_t> {
        std::fill(into.begin(), into.end(), uint8_t{'x'});
        given += into.size();
        return into.size();
      },
      1 << 20);
  InputLine line;
  CHECK(endless.next(line).error().code == Code::kLimit);
  CHECK(given < (4U << 20));
  LineInput broken([](std::span<uint8_t>) -> Result<size_t> { return Error{Code::kIo, "gone"}; }, 10);
  CHECK(broken.next(line).error().message == "gone");
}

}  // namespace
}  // namespace khipu::cli
