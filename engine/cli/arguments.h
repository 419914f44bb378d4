// The command line, parsed: which command, its arguments, or the text of a help page. Not here: what commands do.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/cli/command.h"

namespace khipu::cli {

struct Parsed {
  Command* command = nullptr;  // nullptr: print `text` and end with `exit`
  bool json = false;
  std::string text;  // help (exit kOk, to stdout) or what is wrong (kUsageOrIo, to stderr)
  Exit exit = Exit::kOk;
};

// Fills the members of one of `commands` from the words after the program's name.
Parsed parse(std::vector<std::string> words, const std::vector<std::unique_ptr<Command>>& commands);

}  // namespace khipu::cli
