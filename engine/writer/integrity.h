// What tamper evidence costs is measured by leaving it out. Only tests/bench compiles this room with the switch; in
// every other build it is the constant true, and the compiler sees no branch.
#pragma once

namespace khipu::writer {

#ifdef KHIPU_BENCH_SWITCHES
inline bool integrity = true;  // trees, commit frames and their signatures; set before threads are started
#else
inline constexpr bool integrity = true;
#endif

}  // namespace khipu::writer
