// `khipu checkpoint` and `khipu recover`: the newest signed note of a log, and going on behind an accepted rollback.
#include <nlohmann/json.hpp>

#include "engine/base/utf8.h"
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/cli/writer_access.h"
#include "engine/os/clock.h"
#include "engine/os/process.h"

namespace khipu::cli {
namespace {

class CheckpointCommand final : public Command {
 public:
  std::string name() const override { return "checkpoint"; }
  std::string summary() const override { return "Publish a checkpoint of all that is committed, and print it"; }
  std::string details() const override {
    return "A checkpoint is a signed note (C2SP tlog-checkpoint) with the size and root of the log's spine. Keep one\n"
           "where the log's keeper cannot reach it: `khipu verify --against NOTE` then finds what was taken away "
           "since.\n"
           "Asks a running writer, else is the writer for a moment. Nothing new: prints the newest one again.\n\n"
           "Example:\n  khipu checkpoint /srv/audit > audit-2026-11-21.note\n\n"
           "Exit codes: 0 published, 3 not published.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<WriterAccess> access,
                     WriterAccess::open(root_, keys_path(root_, keys_), "checkpoint", network_));
    KHIPU_TRY_ASSIGN(const WriterAccess::Checkpoint checkpoint, access->publish());
    KHIPU_TRY(access->close());
    if (output.json()) {
      output.document({{"schema", "khipu.checkpoint/v1"}, {"number", checkpoint.number}, {"note", checkpoint.note}});
    } else {
      std::string_view note = checkpoint.note;
      note.remove_suffix(1);  // line() ends it
      output.line(note);
    }
    return Exit::kOk;
  }

 private:
  std::string root_, keys_, network_;
};

class RecoverCommand final : public Command {
 public:
  std::string name() const override { return "recover"; }
  std::string summary() const override { return "Accept, for the record, that an older copy was put back"; }
  std::string details() const override {
    return "The writer remembers beside its keys what it last signed, and refuses a log that does not go on from it:\n"
           "after a restore from a backup, or when that memory is lost. This command states that in the log, with the\n"
           "reason and who gave it, and what was lost, in a signed ROLLBACK statement that stays visible for ever.\n"
           "Whoever holds a later checkpoint will find the log rolled back: nothing hides that. Damage is not "
           "accepted.\n\n"
           "Example:\n  khipu recover /srv/audit --accept-rollback --reason 'disk lost, restored the copy of 1 May'\n\n"
           "Exit codes: 0 stated, 3 refused or nothing to accept.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.flag("--accept-rollback", accept_, "required: say that you mean it");
    arguments.text("--reason", reason_, "TEXT", "required: why, kept in the log");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }
  Result<Exit> run(Output& output) override {
    if (!accept_ || reason_.empty()) {
      return Error{Code::kInvalid, "give --accept-rollback and --reason TEXT; both are kept in the log"};
    }
    if (!valid_utf8(as_bytes(reason_))) return Error{Code::kInvalid, "--reason: not valid UTF-8"};
    KHIPU_TRY_ASSIGN(const auto root, os::open_directory(root_));
    KHIPU_TRY(refuse_network_filesystem(root_, network_));
    KHIPU_TRY_ASSIGN(const auto keys, os::open_directory(keys_path(root_, keys_)));
    writer::Options options;
    options.role = "recover";
    options.keeps_idempotency_bounds = true;
    options.accept_rollback = {reason_, "uid " + std::to_string(os::effective_user_id())};
    KHIPU_TRY_ASSIGN(const std::unique_ptr<writer::Writer> writer,
                     writer::Writer::open({*root, *keys, os::system_clock(), os::system_random()}, options));
    KHIPU_TRY(writer->publish());
    const writer::Status status = writer->status();
    KHIPU_TRY(writer->close());
    if (output.json()) {
      output.document({{"schema", "khipu.recover/v1"},
                       {"commit", status.head.commit.value},
                       {"line", status.recovery.line.value},
                       {"checkpoint", status.checkpoint}});
      return Exit::kOk;
    }
    output.line("the log goes on behind commit " + std::to_string(status.recovery.line.value) + "; commit " +
                std::to_string(status.recovery.line.value + 1) + " states the rollback");
    return Exit::kOk;
  }

 private:
  std::string root_, keys_, network_, reason_;
  bool accept_ = false;
};

}  // namespace

std::unique_ptr<Command> make_checkpoint_command() { return std::make_unique<CheckpointCommand>(); }
std::unique_ptr<Command> make_recover_command() { return std::make_unique<RecoverCommand>(); }

}  // namespace khipu::cli
