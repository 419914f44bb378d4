// A log whose type "person" has a sealed field, with lines that are parked.
#pragma once

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

namespace khipu::cli {

inline const std::string kBad =
    R"({"actor":{"type":"person","id":"p-9","fields":{"mail":"nadel@example.org","nope":1}},"action":"PUT"})";
inline const std::string kGood =
    R"({"actor":{"type":"person","id":"p-1","fields":{"mail":"good@example.org"}},"action":"PUT"})";

struct DlqLog {
  tests::TempDirectory folder;
  std::string root = folder / "log", keys = folder / "log.keys", out = folder / "readers";
  std::string decrypt = out + "/decrypt";

  tests::Ran khipu(std::vector<std::string> words, const std::string& input = "") {
    words.insert(words.begin(), tests::program("khipu"));
    return tests::run(words, input);
  }
  std::string done(std::vector<std::string> words, const std::string& input = "") {
    const tests::Ran ran = khipu(std::move(words), input);
    INFO(ran.out << ran.err);
    REQUIRE(ran.exit == 0);
    return ran.out;
  }
  DlqLog() {
    done({"init", root, "--origin", "example.org/dlq"});
    done({"keys", "init", root, "--out", out});
    done({"types", "add", root, "person", "mail:sealed,exact"});
  }
  bool anywhere(const std::string& text) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      if (bytes.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

}  // namespace khipu::cli
