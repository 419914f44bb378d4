// `khipu version`: which build this is and which formats it reads.
#include <nlohmann/json.hpp>

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/segment/format.h"

namespace khipu::cli {
namespace {

class VersionCommand final : public Command {
 public:
  std::string name() const override { return "version"; }
  std::string summary() const override { return "Print the version of this program and of the files it reads"; }
  std::string details() const override { return "Example:\n  khipu version --json\n\nExit codes: 0."; }
  void declare(Arguments&) override {}
  Result<Exit> run(Output& output) override {
    if (output.json()) {
      output.document(
          {{"schema", "khipu.version/v1"}, {"version", KHIPU_VERSION}, {"format", segment::kFormatVersion}});
    } else {
      output.line("khipu " KHIPU_VERSION " (file format " + std::to_string(segment::kFormatVersion) + ")");
    }
    return Exit::kOk;
  }
};

}  // namespace

std::unique_ptr<Command> make_version_command() { return std::make_unique<VersionCommand>(); }

}  // namespace khipu::cli
