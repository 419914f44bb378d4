// Every command of `khipu`, one function each (their files: NAME_command.cc), and the table of them.
#pragma once

#include <memory>
#include <vector>

#include "engine/cli/command.h"

namespace khipu::cli {

std::unique_ptr<Command> make_verify_command();
std::unique_ptr<Command> make_version_command();

// The table, in the order `khipu --help` shows it.
std::vector<std::unique_ptr<Command>> all_commands();

}  // namespace khipu::cli
