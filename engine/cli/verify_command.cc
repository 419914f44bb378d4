// `khipu verify`: everything the root claims, re-derived from its files.
#include <charconv>
#include <filesystem>

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/os/file.h"
#include "engine/os/pages.h"
#include "engine/tree/note.h"
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

// The text itself (a note has lines), or the file that holds it.
Result<std::string> read_note(const std::string& given) {
  if (given.find('\n') != std::string::npos) return given;
  return read_input_file(given, tree::kNoteSizeMax);
}

Result<uint64_t> parse_seed(const std::string& text) {
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return Error{Code::kInvalid, "--seed: expected a number from 0 to 18446744073709551615"};
  }
  return seed;
}

class VerifyCommand final : public Command {
 public:
  std::string name() const override { return "verify"; }
  std::string summary() const override { return "Check every record, hash, signature and file of a log"; }
  std::string details() const override {
    return "Reads the files only: needs no running writer, disturbs none, changes nothing. Beside a running writer it\n"
           "checks up to the newest commit at its start.\n"
           "Reports the first break with table, row, file and byte, and says what was not checked.\n\n"
           "--save-state keeps, after a pass, where the log ended: with --since the next run reads only what is new, "
           "holds\n"
           "the log against the state and reads some old blocks of 256 rows again. Keep that file away from the log: "
           "it is\n"
           "what shows that an older copy was put back (rollback) or the past was rewritten (fork). --against does the "
           "same\n"
           "with a checkpoint somebody kept.\n\n"
           "Examples:\n"
           "  khipu verify /var/lib/khipu/main --key audit.vkey --save-state ~/main.state\n"
           "  khipu verify /var/lib/khipu/main --since ~/main.state --save-state ~/main.state\n"
           "  khipu verify /var/lib/khipu/main --key audit.vkey --against last-quarter.note\n"
           "  khipu verify /var/lib/khipu/main --rows 1000:2000 --json\n"
           "  khipu verify /var/lib/khipu/main --sample 1000 --seed 42\n\n"
           "Exit codes: 0 pass, 1 something does not match what was signed, 2 could not be checked to the end, 3 "
           "usage\n"
           "or I/O.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "directory of the log");
    arguments.text("--key", key_, "KEY", kVerifierKeyHelp);
    arguments.text("--rows", rows_, "A:B", "check events A up to but not including B only; default all");
    arguments.text("--since", since_, "STATE", "read only what is new since the run that saved this file");
    arguments.text("--save-state", save_state_, "FILE",
                   "after a pass of the whole log or of --since, keep where it ended");
    arguments.number("--reread", reread_, 0, 1000000, "blocks of 256 old rows that --since reads again; default 4");
    arguments.texts("--against", against_, "NOTE",
                    "a checkpoint kept from earlier, a file or the text of a signed note; may be given several times");
    arguments.number("--sample", sample_, 0, 100000000, "check so many events drawn at random; default 0, all");
    arguments.text("--seed", seed_, "N", "seed of what is drawn, to draw the same again; default random, and printed");
    arguments.number("--threads", threads_, 0, 256, "threads; default 0, one a core");
    arguments.number("--max-seconds", seconds_, 0, 86400, "stop after so many seconds, incomplete; default 0, never");
  }

  Result<Exit> run(Output& output) override {
    os::use_one_large_heap();
    verify::Options options;
    if (!key_.empty()) {
      KHIPU_TRY_ASSIGN(options.key, read_verifier_key(key_));
    }
    if (!rows_.empty()) KHIPU_TRY(parse_rows(rows_, options.from_row, options.to_row));
    if (!save_state_.empty() && (!rows_.empty() || sample_ > 0)) {
      return Error{Code::kInvalid, "--save-state: only a run over the whole log, or over all that is new, can be kept"};
    }
    if (!save_state_.empty()) {
      KHIPU_TRY_ASSIGN(const bool inside, at("--save-state", lies_inside(save_state_, root_)));
      if (inside) {
        return Error{Code::kInvalid,
                     "--save-state: keep it outside the log: whoever puts an older copy of the log back "
                     "would put an older state back with it"};
      }
    }
    if (!since_.empty()) {
      KHIPU_TRY_ASSIGN(const std::string text, read_input_file(since_, verify::kStateSizeMax));
      KHIPU_TRY_ASSIGN(options.since, at(since_, verify::parse_state(text)));
    }
    for (const std::string& note : against_) {
      KHIPU_TRY_ASSIGN(std::string text, read_note(note));
      options.against.push_back(std::move(text));
    }
    if (sample_ > 0) options.sample = sample_;
    if (!seed_.empty()) {
      KHIPU_TRY_ASSIGN(options.seed, parse_seed(seed_));
    }
    options.reread_blocks = reread_;
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
    if (!save_state_.empty() && report->verdict == verify::Verdict::kPass) {
      if (report->state) {
        KHIPU_TRY(write_output_file(save_state_, verify::format_state(*report->state)));
      } else {
        output.note(
            "the state was not saved: the log has bytes above its newest commit, which the writer's next start "
            "sets aside");
      }
    }
    switch (report->verdict) {
      case verify::Verdict::kPass: return Exit::kOk;
      case verify::Verdict::kFail: return Exit::kFinding;
      case verify::Verdict::kIncomplete: return Exit::kIncomplete;
    }
    return Exit::kIncomplete;
  }

 private:
  std::string root_, key_, rows_, since_, save_state_, seed_;
  std::vector<std::string> against_;
  uint64_t threads_ = 0, seconds_ = 0, sample_ = 0, reread_ = 4;
};

}  // namespace

std::unique_ptr<Command> make_verify_command() { return std::make_unique<VerifyCommand>(); }

}  // namespace khipu::cli
