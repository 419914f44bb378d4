#include "engine/cli/commands.h"

namespace khipu::cli {

std::vector<std::unique_ptr<Command>> all_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(make_verify_command());
  commands.push_back(make_version_command());
  return commands;
}

}  // namespace khipu::cli
