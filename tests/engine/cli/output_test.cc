#include "engine/cli/output.h"

#include "tests/support/catch.h"

using khipu::cli::human_size;
using khipu::cli::printable;

TEST_CASE("output: log text cannot drive a terminal or forge a line") {
  REQUIRE(printable("plain text, caf\xC3\xA9") == "plain text, caf\xC3\xA9");
  REQUIRE(printable("\x1B[2J") == "\\x1B[2J");
  REQUIRE(printable("a\nb\r\tc\x7F") == "a\\x0Ab\\x0D\\x09c\\x7F");
  REQUIRE(printable("\xC2\x9B"
                    "31m") == "\\x9B31m");  // C1 CSI
  REQUIRE(printable("\xE2\x80\xAE"
                    "abc") == "\\u{202E}abc");  // right-to-left override
  REQUIRE(printable("a\xE2\x80\x8B"
                    "b") == "a\\u{200B}b");                // zero width
  REQUIRE(printable("\xE2\x80\xA8") == "\\u{2028}");       // line separator
  REQUIRE(printable("\xF3\xA0\x81\x81") == "\\u{E0041}");  // tag
  REQUIRE(printable("\\x1B") == "\\\\x1B");                // not to be taken for an escape
}

TEST_CASE("output: bytes that are not UTF-8 are shown one by one") {
  REQUIRE(printable("\xFF") == "\\xFF");
  REQUIRE(printable("\xC3") == "\\xC3");
  REQUIRE(printable("\xC0\xAF") == "\\xC0\\xAF");                    // overlong
  REQUIRE(printable("\xED\xA0\x80") == "\\xED\\xA0\\x80");           // surrogate
  REQUIRE(printable("\xF4\x90\x80\x80") == "\\xF4\\x90\\x80\\x80");  // beyond U+10FFFF
}

TEST_CASE("output: sizes are said with a unit") {
  REQUIRE(human_size(1) == "1 byte");
  REQUIRE(human_size(812) == "812 bytes");
  REQUIRE(human_size(1536) == "1.5 KiB");
  REQUIRE(human_size(3ULL << 40) == "3.0 TiB");
}
