// `khipu verify`: everything the root claims, re-derived from its files.
#include <charconv>

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/os/file.h"
#include "engine/verify/print.h"
#include "engine/verify/verify.h"

namespace khipu::cli {
namespace {

// "A:B" rows [A, B); either side may be left out.
Result<void> parse_rows(const std::string& text, std::optional<Row>& from, std::optional<Row>& to) {
  const Error wrong{Code::kInvalid, "--rows: expected A:B, rows A up to but not including B, such as 1000:2000"};
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return wrong;
  const auto number = [&](std::string_view digits, std::optional<Row>& into) {
    if (digits.empty()) return true;
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return false;
    into = Row{value};
    return true;
  };
  if (!number(std::string_view(text).substr(0, colon), from)) return wrong;
  if (!number(std::string_view(text).substr(colon + 1), to)) return wrong;
  if (!from) from = Row{0};
  return {};
}

class VerifyCommand final : public Command {
 public:
  std::string name() const override { return "verify"; }
  std::string summary() const override { return "Check every record, hash, signature and file of a log"; }
  std::string details() const override {
    return "Reads the files only: needs no running writer, disturbs none, changes nothing. Beside a running writer it\n"
           "checks up to the newest commit at its start.\n"
           "Reports the first break with table, row, file and byte, and says what was not checked.\n\n"
           "Examples:\n"
           "  khipu verify /var/lib/khipu/main --key audit.vkey\n"
           "  khipu verify /var/lib/khipu/main --rows 1000:2000 --json\n\n"
           "Exit codes: 0 pass, 1 something does not match what was signed, 2 could not be checked to the end, 3 "
           "usage\n"
           "or I/O.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "directory of the log");
    arguments.text("--key", key_, "KEY", kVerifierKeyHelp);
    arguments.text("--rows", rows_, "A:B", "check events A up to but not including B only; default all");
    arguments.number("--threads", threads_, 0, 256, "threads; default 0, one a core");
    arguments.number("--max-seconds", seconds_, 0, 86400, "stop after so many seconds, incomplete; default 0, never");
  }

  Result<Exit> run(Output& output) override {
    verify::Options options;
    if (!key_.empty()) {
      KHIPU_TRY_ASSIGN(options.key, read_verifier_key(key_));
    }
    if (!rows_.empty()) KHIPU_TRY(parse_rows(rows_, options.from_row, options.to_row));
    options.threads = threads_;
    if (seconds_ > 0) options.budget_us = static_cast<int64_t>(seconds_) * 1000000;
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> root, os::open_directory(root_));
    Result<verify::Report> report = Error{Code::kInvalid, "not run"};
    {
      Progress progress("verifying");
      options.progress = [&](uint64_t done, uint64_t total) { progress.update(done, total); };
      report = verify::run(*root, options);
    }
    if (!report.ok()) return std::move(report).error();
    if (output.json()) {
      output.line(verify::to_json(*report));
    } else {
      output.print(verify::to_page(*report));
    }
    switch (report->verdict) {
      case verify::Verdict::kPass: return Exit::kOk;
      case verify::Verdict::kFail: return Exit::kFinding;
      case verify::Verdict::kIncomplete: return Exit::kIncomplete;
    }
    return Exit::kIncomplete;
  }

 private:
  std::string root_, key_, rows_;
  uint64_t threads_ = 0, seconds_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_verify_command() { return std::make_unique<VerifyCommand>(); }

}  // namespace khipu::cli
