// How a benchmark ends when something goes wrong: no figure is better than one of a run that failed.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "engine/base/result.h"

namespace khipu::bench {

// Exit status 3. No destructors: a forked child or a running writer may be what failed.
[[noreturn]] inline void die(const std::string& what) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what.c_str());
  std::_Exit(3);
}
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) die(result.error().message);
  return std::move(result).value();
}
inline void must(const Result<void>& result) {
  if (!result.ok()) die(result.error().message);
}

}  // namespace khipu::bench
