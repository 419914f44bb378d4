// What is read through the command line with a decrypt key is told to the running writer, as khipu-mcp tells each call:
// one access record, before the answer is printed (engine/README.md "Protected fields").
// Not here: the socket (engine/access), reads that show nothing protected: a command is no server, and answers those
// who may read the files anyway.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/cli/output.h"
#include "engine/codec/access.h"

namespace khipu::cli {

struct ReadReport {
  std::string tool;                                 // "khipu query"
  std::vector<std::string> arguments;               // names of the flags that were given, never their values
  std::optional<uint64_t> results;                  // how many the answer holds
  std::optional<codec::AccessRecord::State> as_of;  // what was read
};
// Where no writer runs (a copy of a log, an auditor's machine) nobody can record it: that is said on stderr, and the
// answer is given, for whoever holds the key and the files reads them with or without this program.
void report_read(const std::string& root, const ReadReport& report, Output& output);

}  // namespace khipu::cli
