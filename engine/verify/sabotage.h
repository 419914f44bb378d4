// Who watches the watchman: in a build made for tests/attacks/sabotage.py, and in no other, each check of this room can
// be switched off by its place in the source, to see that a test goes red without it. A check is a line that adds a
// finding, or a condition in amiss(). In the programs all of it is nothing: amiss(x) is x.
#pragma once

#ifdef KHIPU_SABOTAGE
#include <source_location>
#include <string_view>

namespace khipu::verify {
using Place = std::source_location;
// KHIPU_SABOTAGE_OFF=FILE:LINE names the one that is off. Those asked about are added to the file KHIPU_SABOTAGE_LIST,
// with the code of what they found.
bool switched_off(const Place& where, std::string_view code = "");
}  // namespace khipu::verify
#define KHIPU_HERE ::khipu::verify::Place::current()

#else
#include <string_view>

namespace khipu::verify {
struct Place {};
constexpr bool switched_off(const Place& /*where*/, std::string_view /*code*/ = "") { return false; }
}  // namespace khipu::verify
#define KHIPU_HERE \
  ::khipu::verify::Place {}

#endif

namespace khipu::verify {
inline bool amiss(bool it_is, const Place& where = KHIPU_HERE) { return it_is && !switched_off(where); }
}  // namespace khipu::verify
