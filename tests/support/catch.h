// Catch2, version 2 or 3, with the differences evened out: the only header of it that tests include.
//
//   SKIP("why")            in a TEST_CASE body, not inside a lambda or helper: ends the test, ctest reports it as
//   skipped ContainsSubstring("x") under both versions, as in REQUIRE_THAT(text, ContainsSubstring("x"))
//
// Not here: Approx (compare integers, or name the tolerance). main() is main.cc.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Matchers::ContainsSubstring;
#else
#define CATCH_CONFIG_ENABLE_BENCHMARKING
#include <catch2/catch.hpp>

#include <string>

inline auto ContainsSubstring(const std::string& part) { return Catch::Matchers::Contains(part); }

namespace khipu::tests {
void report_skip(const std::string& why);  // main.cc: the process then ends with 4, which ctest is told means skipped
}
#define SKIP(why)                     \
  do {                                \
    ::khipu::tests::report_skip(why); \
    return;                           \
  } while (false)
#endif
