// The worked hex examples of engine/FORMAT.md. A block starts with a line "```hex NAME"; in each of its lines what
// follows a '#' is for people.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "engine/base/bytes.h"
#include "tests/support/shared.h"

namespace khipu::tests {

// Throws when there is no such block or it is not hex: the test fails with that text.
inline Buffer format_example(const std::string& name) {
  std::istringstream lines(source_text("engine/FORMAT.md"));
  std::string digits;
  bool inside = false;
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    if (inside && line.starts_with("```")) break;
    if (inside) {
      line.resize(std::min(line.size(), line.find('#')));
      std::erase(line, ' ');
      digits += line;
    }
    if (line == "```hex " + name) inside = found = true;
  }
  const auto bytes = from_hex(digits);
  if (!found || !bytes) throw std::runtime_error("engine/FORMAT.md has no hex example " + name);
  return *bytes;
}

}  // namespace khipu::tests
