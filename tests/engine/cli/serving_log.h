// A log and the real `khipu serve` on it.
#pragma once

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/log_root.h"
#include "tests/support/program.h"

namespace khipu::tests {

struct ServingLog : LogRoot {
  // The command, with settings when there are any.
  std::vector<std::string> serving(const std::string& settings = "") const {
    std::ofstream(folder / "k.toml") << settings;
    return {program("khipu"), "serve", root, "--config", folder / "k.toml"};
  }
};

inline void stop(Process& writer) {
  writer.signal(SIGTERM);
  REQUIRE(writer.wait() == 0);
}

}  // namespace khipu::tests
