// `khipu hold`: legal holds. While any is set, nothing of logs is let go.
#include <nlohmann/json.hpp>

#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/cli/writer_access.h"
#include "engine/daemon/answer.h"
#include "engine/daemon/retention_json.h"
#include "engine/snapshot/store.h"

namespace khipu::cli {
namespace {

using Json = nlohmann::ordered_json;

class HoldCommand final : public Command {
 public:
  std::string name() const override { return "hold"; }
  std::string summary() const override { return "Set, lift or list legal holds: while one is set, logs keep all"; }
  std::string details() const override {
    return "Setting and lifting are signed HOLD statements, with the reason and who gave it; they stay in the log for\n"
           "ever. Through the socket of a running `khipu serve` (its own user and root may), else by opening the "
           "root.\n"
           "Rows that a RETENTION statement let go before are not brought back.\n\n"
           "Examples:\n  khipu hold /srv/audit set case-2026-17 --reason \"litigation, order of 2026-11-20\"\n"
           "  khipu hold /srv/audit list --json\n"
           "  khipu hold /srv/audit lift case-2026-17 --reason \"settled\"\n\n"
           "Exit codes: 0 done, 3 refused: set already, not set, not allowed.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.required("ACTION", action_, "set, lift or list");
    arguments.optional("NAME", hold_.name, "the hold's name: [A-Za-z0-9._-]{1,64}; not with list");
    arguments.text("--reason", hold_.reason, "TEXT", "why, 1 to 1,024 bytes; wanted by set and lift");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }

  Result<Exit> run(Output& output) override {
    if (action_ == "list") {
      if (!hold_.name.empty() || !hold_.reason.empty())
        return Error{Code::kInvalid, "list takes no NAME and no --reason"};
      return list(output);
    }
    if (action_ != "set" && action_ != "lift") return Error{Code::kInvalid, "ACTION must be set, lift or list"};
    hold_.set = action_ == "set";
    KHIPU_TRY(daemon::check_hold(hold_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<WriterAccess> access,
                     WriterAccess::open(root_, keys_path(root_, keys_), "hold", network_));
    KHIPU_TRY_ASSIGN(const std::string done, access->running() ? ask(*access->client()) : carry_out(*access->writer()));
    KHIPU_TRY(access->close());
    const Json json = Json::parse(done, nullptr, false);
    if (!json.is_object() || !json.contains("commit")) return Error{Code::kIo, "the writer's answer is not understood"};
    if (output.json()) {
      output.document(json);
    } else {
      output.line("hold " + hold_.name + (hold_.set ? " set" : " lifted") + " in commit " + json["commit"].dump());
    }
    return Exit::kOk;
  }

 private:
  Result<std::string> ask(daemon::HttpClient& client) const {
    KHIPU_TRY_ASSIGN(const daemon::HttpAnswer answer,
                     client.post("/v1/holds", "application/json", daemon::to_json(hold_), {}));
    if (answer.status != 200) return daemon::parse_error(answer);
    return answer.body;
  }

  Result<std::string> carry_out(writer::Writer& writer) const {
    codec::Hold hold = hold_;
    hold.by = WriterAccess::scope();
    KHIPU_TRY_ASSIGN(const CommitNumber commit, writer.append_and_publish(std::move(hold)));
    return daemon::stated_json(commit);
  }

  Result<Exit> list(Output& output) const {
    KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> directory, os::open_directory(root_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<snapshot::Store> store, snapshot::Store::open(std::move(directory)));
    KHIPU_TRY_ASSIGN(const std::shared_ptr<const snapshot::Snapshot> snapshot, store->snapshot());
    Json holds = Json::array();
    for (const auto& [name, hold] : snapshot->meta().holds()) {
      holds.push_back({{"name", name},
                       {"reason", hold.reason},
                       {"by", hold.by},
                       {"since", format_rfc3339(hold.since)},
                       {"meta_row", hold.meta_row.value}});
      if (!output.json()) {
        output.line(printable(name) + "  since " + format_rfc3339(hold.since) + "  by " + printable(hold.by) + "  " +
                    printable(hold.reason));
      }
    }
    if (output.json()) {
      output.document({{"schema", "khipu.holds/v1"}, {"holds", std::move(holds)}});
    } else if (holds.empty()) {
      output.line("no hold is set");
    }
    return Exit::kOk;
  }

  std::string root_, action_, keys_, network_;
  codec::Hold hold_;
};

}  // namespace

std::unique_ptr<Command> make_hold_command() { return std::make_unique<HoldCommand>(); }

}  // namespace khipu::cli
