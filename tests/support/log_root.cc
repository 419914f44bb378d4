#include "tests/support/log_root.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace khipu::tests {

LogRoot::LogRoot(const std::string& origin) {
  const Ran made = khipu({"init", root, "--origin", origin});
  INFO(made.err);
  REQUIRE(made.exit == 0);
}

Ran LogRoot::khipu(std::vector<std::string> words, const std::string& input) {
  words.insert(words.begin(), program("khipu"));
  return run(words, input);
}

uint64_t LogRoot::rows() const {
  return nlohmann::json::parse(khipu({"status", root, "--json"}).out)["tables"]["logs"]["rows"].get<uint64_t>();
}

}  // namespace khipu::tests
