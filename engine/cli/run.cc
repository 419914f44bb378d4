// The frame around every command: parse, run, map to an exit code.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/cli/arguments.h"
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/os/process.h"

namespace khipu::cli {

int run(int argc, const char* const* argv) {
  os::open_standard_descriptors();
  const std::vector<std::unique_ptr<Command>> commands = all_commands();
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) words.emplace_back(argv[i]);
  const Parsed parsed = parse(std::move(words), commands);
  Output output(stdout, stderr, parsed.json);
  if (parsed.command == nullptr) {
    if (parsed.exit == Exit::kOk) {
      output.print(parsed.text);
    } else {
      output.note(parsed.text);
    }
    return static_cast<int>(output.check().ok() ? parsed.exit : Exit::kUsageOrIo);
  }

  Result<Exit> done = parsed.command->run(output);
  if (const Result<void> written = output.check(); done.ok() && !written.ok()) done = written.error();
  if (done.ok()) return static_cast<int>(*done);
  const Error& error = done.error();
  if (output.json()) {
    output.document(
        {{"schema", "khipu.error/v1"}, {"error", {{"code", code_name(error.code)}, {"message", error.message}}}});
    std::fflush(stdout);
  }
  output.note("khipu " + parsed.command->name() + ": " + printable(error.message));
  return static_cast<int>(Exit::kUsageOrIo);
}

}  // namespace khipu::cli
