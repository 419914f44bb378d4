// `khipu retention`: lets the oldest sealed segments go under a policy, once. The policy that runs by itself is
// `khipu serve --retention-...`.
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/cli/writer_access.h"
#include "engine/daemon/answer.h"
#include "engine/daemon/retention_json.h"
#include "engine/os/clock.h"
#include "engine/snapshot/store.h"
#include "engine/writer/retainer.h"

namespace khipu::cli {
namespace {

using Json = nlohmann::ordered_json;

class RetentionCommand final : public Command {
 public:
  std::string name() const override { return "retention"; }
  std::string summary() const override { return "Let the oldest sealed segments go under a policy, once"; }
  std::string details() const override {
    return "Whole sealed segments go, oldest first: those whose newest row was recorded longer ago than --max-age, "
           "and\n"
           "as many as bring the table within --max-bytes; either limit triggers. The active segment and the newest\n"
           "sealed one of logs stay. A signed RETENTION statement is committed and published first and stays for "
           "ever;\n"
           "the rows' leaf hashes stay too, so proofs and verification go on. Readers of older states are waited for\n"
           "(--wait-s), then the files are unlinked. Registry and meta are never purged. A hold forbids all retention "
           "of\n"
           "logs (`khipu hold`). After a step of the wall clock retention by age is suspended until --clear-clock.\n"
           "Every record that is to go is checked against the signed root first: what is damaged stays, as "
           "evidence.\n\n"
           "Through the socket of a running `khipu serve` (its own user and root may), else by opening the root, "
           "which\n"
           "also finishes what an interrupted run left.\n\n"
           "Examples:\n  khipu retention /srv/audit --max-age 400d --dry-run\n"
           "  khipu retention /srv/audit --max-bytes 500GiB\n"
           "  khipu retention /srv/audit --table access --max-age 90d\n\n"
           "Exit codes: 0 done (also when nothing had to go), 2 the statement is committed and files remain (readers, "
           "or\n"
           "a running writer that is at it), 3 refused or failed.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--max-age", max_age_, "AGE", "90s, 15m, 12h, 30d, 52w, or seconds; by recorded_at; default none");
    arguments.text("--max-bytes", max_bytes_, "BYTES",
                   "size of the table's segments: bytes, or with KiB, MiB, GiB, TiB; default none");
    arguments.choice("--table", table_, {"logs", "access"}, "which table; default logs");
    arguments.flag("--dry-run", request_.dry_run, "say what would go and why; change nothing");
    arguments.flag("--clear-clock", request_.clear_clock,
                   "state that the wall clock is right again after a step: retention by age goes on");
    arguments.number(
        "--wait-s", wait_s_, 0, 86400,
        "seconds to wait for readers of older states when this command opens the root itself; default 600");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }

  Result<Exit> run(Output& output) override {
    if (table_ == "access") request_.table = TableId::kAccess;
    if (!max_age_.empty()) {
      KHIPU_TRY_ASSIGN(request_.policy.max_age_s, at("--max-age", retention::parse_age(max_age_)));
    }
    if (!max_bytes_.empty()) {
      KHIPU_TRY_ASSIGN(request_.policy.max_bytes, at("--max-bytes", retention::parse_bytes(max_bytes_)));
    }
    if (request_.clear_clock && (!request_.policy.empty() || request_.dry_run || !table_.empty())) {
      return Error{Code::kInvalid, "--clear-clock stands alone"};
    }
    if (!request_.clear_clock && request_.policy.empty()) {
      return Error{Code::kInvalid, "--max-age or --max-bytes is wanted: without a limit everything is kept"};
    }
    if (request_.dry_run) {
      KHIPU_TRY_ASSIGN(const std::string planned, dry_run());
      return show(planned, output);
    }
    KHIPU_TRY_ASSIGN(const std::unique_ptr<WriterAccess> access,
                     WriterAccess::open(root_, keys_path(root_, keys_), "retention", network_));
    KHIPU_TRY_ASSIGN(const std::string done, access->running() ? ask(*access->client()) : carry_out(*access->writer()));
    KHIPU_TRY(access->close());
    return show(done, output);
  }

 private:
  // Any reader may ask what would go; the writer's clock is this machine's.
  Result<std::string> dry_run() const {
    KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> directory, os::open_directory(root_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<snapshot::Store> store, snapshot::Store::open(std::move(directory)));
    KHIPU_TRY_ASSIGN(const std::shared_ptr<const snapshot::Snapshot> snapshot, store->snapshot());
    const retention::Situation situation = retention::look(*snapshot, request_.table, os::system_clock().now());
    return daemon::plan_json(retention::make_plan(request_.policy, situation), true, std::nullopt, nullptr);
  }

  Result<std::string> ask(daemon::HttpClient& client) const {
    KHIPU_TRY_ASSIGN(const daemon::HttpAnswer answer,
                     client.post("/v1/retention", "application/json", daemon::to_json(request_), {}));
    if (answer.status != 200) return daemon::parse_error(answer);
    return answer.body;
  }

  Result<std::string> carry_out(writer::Writer& writer) const {
    if (request_.clear_clock) {
      KHIPU_TRY_ASSIGN(const CommitNumber commit,
                       writer.append_and_publish(codec::Clock{codec::ClockEvent::kCleared, 0, os::system_clock().now(),
                                                              WriterAccess::scope()}));
      return daemon::stated_json(commit);
    }
    writer::RetainerOptions options;
    options.wait_us = static_cast<int64_t>(wait_s_) * 1000000;
    options.pause = [](int64_t us) {
      std::this_thread::sleep_for(std::chrono::microseconds(us));
      return true;
    };
    KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> directory, os::open_directory(root_));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<writer::Retainer> retainer,
                     writer::Retainer::open(std::move(directory), writer, os::system_clock(), options));
    KHIPU_TRY_ASSIGN(const writer::Retainer::Decision decision,
                     retainer->decide(request_.table, request_.policy, WriterAccess::scope()));
    KHIPU_TRY_ASSIGN(const writer::Retainer::Swept swept, retainer->sweep());
    return daemon::plan_json(decision.plan, false, decision.commit, &swept);
  }

  static Result<Exit> show(const std::string& text, Output& output) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("schema")) return Error{Code::kIo, "the writer's answer is not understood"};
    const bool stated = json["schema"] == "khipu.stated/v1";
    if (output.json()) {
      output.document(json);
    } else if (stated) {
      output.line("stated in commit " + json["commit"].dump());
    } else {
      print(json, output);
    }
    const bool files_remain = !stated && json["commit"].is_number() && json["unlinked"].is_null();
    return files_remain ? Exit::kIncomplete : Exit::kOk;
  }

  static void print(const Json& json, Output& output) {
    const bool dry = json["dry_run"].get<bool>();
    const auto text = [](const Json& value) {
      return value.is_string() ? printable(value.get<std::string>()) : "none";
    };
    for (const Json& segment : json["segments"]) {
      std::string why;
      for (const Json& one : segment["why"]) why += (why.empty() ? "" : ", ") + text(one);
      output.line((dry ? "would go  " : "goes  ") + text(segment["file"]) + "  rows " + segment["first_row"].dump() +
                  " +" + segment["rows"].dump() + "  " + human_size(segment["bytes"].get<uint64_t>()) + "  recorded " +
                  text(segment["recorded_first"]) + " to " + text(segment["recorded_last"]) + "  (" + why + ")");
    }
    for (const Json& one : json["kept_because"]) output.line("kept: " + text(one));
    output.line(text(json["table"]) + ", " + text(json["policy"]) + ": " + std::to_string(json["segments"].size()) +
                " segments, " + json["rows"].dump() + " rows, " + human_size(json["bytes"].get<uint64_t>()) + " of " +
                human_size(json["held_bytes"].get<uint64_t>()) + (dry ? " would go" : " go"));
    if (json["commit"].is_number()) output.line("RETENTION is in commit " + json["commit"].dump() + " and published");
    const Json& unlinked = json["unlinked"];
    if (unlinked.is_object()) {
      output.line(
          "unlinked " + unlinked["segments"].dump() + " segments, " + human_size(unlinked["bytes"].get<uint64_t>()) +
          (unlinked["readers_waited_out"].get<bool>() ? "; readers were still there when the wait was over" : ""));
    } else if (json["commit"].is_number()) {
      output.line("the running writer unlinks them once readers of older states are gone");
    }
  }

  std::string root_, max_age_, max_bytes_, table_, keys_, network_;
  uint64_t wait_s_ = 600;
  daemon::RetentionRequest request_;
};

}  // namespace

std::unique_ptr<Command> make_retention_command() { return std::make_unique<RetentionCommand>(); }

}  // namespace khipu::cli
