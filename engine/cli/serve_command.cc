// `khipu serve`: the writer as a long-running process. The work is engine/daemon's.
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/daemon/config.h"
#include "engine/daemon/serve.h"

namespace khipu::cli {
namespace {

class ServeCommand final : public Command {
 public:
  std::string name() const override { return "serve"; }
  std::string summary() const override { return "Run the writer: take events over a socket and keep them"; }
  std::string details() const override {
    return "Listens on ROOT/ingest.sock (0660; the writer's user, its group and root may connect), HTTP/1.1:\n"
           "  POST /v1/events    application/json (one event) or application/x-ndjson (one a line); answers when "
           "durable\n"
           "                     with the seq of each; Idempotency-Key: KEY or ?idempotency=event_id make a repeat "
           "safe\n"
           "  POST /v1/types, /v1/columns   definitions as JSON       GET /v1/status, /v1/healthz\n"
           "  POST /v1/retention, /v1/holds   for the writer's own user and root: see `khipu retention --help`\n"
           "And on ROOT/access.sock, for the same users: POST /v1/access, who read the log, as khipu-mcp tells it.\n"
           "Answers: 400 names the line and member, 401, 403, 409 same key other body, 413, 415, 503 full "
           "(Retry-After),\n"
           "507 disk full. A batch is added whole or not at all.\n\n"
           "Signals: SIGTERM and SIGINT drain, sync and end with 0; SIGHUP reads config and tokens again.\n"
           "After a failed write or sync the writer answers 503 \"poisoned\" and ends with 3: start it again.\n\n"
           "Settings of the config file (TOML, sections [writer], [retention], [http], [limits]; unknown keys are "
           "errors):\n" +
           daemon::settings_help() +
           "\nExamples:\n  khipu serve /var/lib/khipu/main\n"
           "  khipu serve /srv/audit --sync always --http 127.0.0.1:7340\n"
           "  curl --unix-socket /srv/audit/ingest.sock -H 'Content-Type: application/json' \\\n"
           "       -d '{\"actor\":{\"type\":\"user\",\"id\":\"u-1\"},\"action\":\"login\"}' http://khipu/v1/events\n\n"
           "Exit codes: 0 told to end, 3 could not start or the writer failed.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", options_.root, "the log's directory");
    arguments.text("--keys", options_.keys, "DIR", kKeysHelp);
    arguments.text("--http", options_.http, "ADDR:PORT",
                   "also listen here for producers with tokens (grant ingest); port 0: any; default: no");
    arguments.flag("--insecure-http", options_.insecure_http,
                   "allow plain HTTP beyond loopback: tokens and events travel in the clear; default: refuse");
    arguments.text("--config", options_.config, "FILE", "settings (TOML), read again on SIGHUP; default: none");
    arguments.text("--sync", options_.sync, "POLICY",
                   "always, group:N:MS (commit at N events or MS milliseconds) or os; default group:1000:5");
    arguments.text("--retention-max-age", options_.retention_max_age, "AGE",
                   "let sealed segments of older events go (90s, 12h, 30d, 52w); default: keep for ever");
    arguments.text("--retention-max-bytes", options_.retention_max_bytes, "BYTES",
                   "let the oldest sealed segments of logs go until it is within this (10GiB); default: no bound");
    arguments.text("--retention-interval", options_.retention_interval, "AGE",
                   "how often that is enforced; default 300s");
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }

  Result<Exit> run(Output& output) override {
    if (output.json()) return Error{Code::kInvalid, "serve prints no document: without --json"};
    options_.keys = keys_path(options_.root, options_.keys);
    KHIPU_TRY(refuse_network_filesystem(options_.root, network_));
    {
      KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> root, os::open_directory(options_.root));
      KHIPU_TRY(need_log(*root, options_.root));
    }
    KHIPU_TRY(daemon::serve(options_));
    return Exit::kOk;
  }

  bool prints_documents() const override { return false; }

 private:
  daemon::ServeOptions options_;
  std::string network_;
};

}  // namespace

std::unique_ptr<Command> make_serve_command() { return std::make_unique<ServeCommand>(); }

}  // namespace khipu::cli
