// A log of the real `khipu`, made anew in a folder of its own that goes with it. Not here: what it holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

namespace khipu::tests {

struct LogRoot {
  explicit LogRoot(const std::string& origin = "test/log");
  // The program with these words, to its end.
  static Ran khipu(std::vector<std::string> words, const std::string& input = "");
  uint64_t rows() const;  // events, as `khipu status` counts them

  TempDirectory folder;
  std::string root = folder / "log";
};

}  // namespace khipu::tests
