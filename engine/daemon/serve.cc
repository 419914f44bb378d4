#include "engine/daemon/serve.h"

#include <thread>

#include "engine/daemon/api.h"
#include "engine/daemon/config.h"
#include "engine/daemon/log.h"
#include "engine/os/process.h"
#include "engine/os/service.h"
#include "engine/protect/key_admin.h"

namespace khipu::daemon {
namespace {

constexpr std::string_view kSocketName = "ingest.sock";
constexpr std::string_view kAccessSocketName = "access.sock";
constexpr uint64_t kConfigSizeMax = 1 << 20;

std::pair<std::string, std::string> split_path(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Result<Config> load_config(const ServeOptions& options) {
  Config config;
  if (!options.config.empty()) {
    const auto [folder, name] = split_path(options.config);
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> directory, os::open_directory(folder));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, directory->open_file(name, os::Mode::kRead));
    KHIPU_TRY_ASSIGN(const Buffer content, file->read_all(kConfigSizeMax));
    KHIPU_TRY(apply_toml(as_text(content), options.config, config));
  }
  if (!options.sync.empty()) KHIPU_TRY(apply_sync(options.sync, config.writer));
  if (!options.retention_max_age.empty()) {
    KHIPU_TRY_ASSIGN(config.retention.logs.max_age_s,
                     at("--retention-max-age", retention::parse_age(options.retention_max_age)));
  }
  if (!options.retention_max_bytes.empty()) {
    KHIPU_TRY_ASSIGN(config.retention.logs.max_bytes,
                     at("--retention-max-bytes", retention::parse_bytes(options.retention_max_bytes)));
  }
  if (!options.retention_interval.empty()) {
    KHIPU_TRY_ASSIGN(const uint64_t interval_s,
                     at("--retention-interval", retention::parse_age(options.retention_interval)));
    config.retention.interval_us = static_cast<int64_t>(interval_s) * 1000000;
  }
  if (!options.http.empty()) config.listen = options.http;
  if (options.insecure_http) config.insecure_http = true;
  if (!config.listen.empty()) KHIPU_TRY(parse_endpoint(config.listen));
  config.writer.role = "serve";
  return config;
}

Result<std::shared_ptr<const auth::Tokens>> load_tokens(os::Directory& keys) {
  KHIPU_TRY_ASSIGN(auth::Tokens tokens, auth::load_tokens(keys));
  return std::make_shared<const auth::Tokens>(std::move(tokens));
}

// Beyond loopback: never without tokens, and never in the clear unless asked for by name.
Result<void> check_exposure(const Config& config, const auth::Tokens& tokens) {
  if (config.listen.empty()) return {};
  KHIPU_TRY_ASSIGN(const Endpoint endpoint, parse_endpoint(config.listen));
  if (endpoint.loopback) return {};
  if (tokens.list().empty()) {
    return Error{Code::kForbidden, config.listen + ": not without a token; make one with `khipu token add`"};
  }
  if (!config.insecure_http) {
    return Error{Code::kForbidden, config.listen +
                                       ": plain HTTP would send tokens and events in the clear; listen on 127.0.0.1 "
                                       "behind a proxy that does TLS, or say --insecure-http"};
  }
  return {};
}

// Whom what this writer seals is read by. Whoever may write to its keys can add one: so it is said at every start.
std::string recipients_text(os::Directory& keys) {
  const auto recipients = protect::load_recipients(keys);
  if (!recipients.ok()) return recipients.error().code == Code::kNotFound ? "none" : recipients.error().message;
  std::string text;
  for (const protect::Recipient& recipient : *recipients) {
    text += (text.empty() ? "" : " ") + protect::recipient_label(recipient);
  }
  return text;
}

// Each listener may have as many connections as its limit; what the writer itself has open comes on top.
Result<void> check_open_files(const Config& config, uint64_t open_files_max) {
  constexpr uint64_t kOwnFiles = 128;
  const uint64_t listeners = config.listen.empty() ? 2 : 3;
  const uint64_t wanted = listeners * config.http.connections_max + kOwnFiles;
  if (wanted <= open_files_max) return {};
  return Error{Code::kLimit, "http.connections_max = " + std::to_string(config.http.connections_max) + " on " +
                                 std::to_string(listeners) + " listeners may take " + std::to_string(wanted) +
                                 " open files, and this process may have " + std::to_string(open_files_max) +
                                 ": lower it, or raise the hard limit (ulimit -Hn; systemd: LimitNOFILE=)"};
}

// Everything of a running server that a reload may change.
class Server {
 public:
  Server(const ServeOptions& options, os::Directory& root, os::Directory& keys, writer::Writer& writer)
      : options_(options), root_(root), keys_(keys), writer_(writer), sink_(writer), api_(sink_, os::system_clock()) {
    api_.disk_low = [path = root.path()] {
      const Result<os::Space> space = os::space(path);  // less than 1 GiB or a tenth
      return space.ok() && (space->free_bytes < (1ULL << 30) || space->free_bytes < space->total_bytes / 10);
    };
  }

  Result<void> start(const Config& config, std::shared_ptr<const auth::Tokens> tokens) {
    started_ = os::system_clock().now();
    body_size_bytes_max_ = config.http.body_size_bytes_max;
    api_.set_tokens(std::move(tokens));
    apply(config);
    KHIPU_TRY_ASSIGN(auto directory, os::open_directory(root_.path()));
    KHIPU_TRY_ASSIGN(keeper_, Keeper::start(std::move(directory), writer_, os::system_clock(), config.retention));
    api_.set_keeper(keeper_.get());
    const HttpHandler handler = [this](HttpRequest& request) { return api_.handle(request); };

    KHIPU_TRY_ASSIGN(local_, open_socket(kSocketName, config.http, handler));
    HttpLimits access_limits = config.http;
    access_limits.body_size_bytes_max = codec::kAccessSizeBytesMax;
    access_limits.idle_time_ms = 600000;  // readers come and go; a connection costs a thread of these few
    KHIPU_TRY_ASSIGN(access_, open_socket(kAccessSocketName, access_limits,
                                          [this](HttpRequest& request) { return api_.handle_access(request); }));
    if (!config.listen.empty()) {
      KHIPU_TRY_ASSIGN(const Endpoint endpoint, parse_endpoint(config.listen));
      KHIPU_TRY_ASSIGN(tcp_, HttpListener::open_tcp(endpoint.host, endpoint.port, config.http, handler));
      const bool v6 = endpoint.host.find(':') != std::string::npos;
      http_ = (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(tcp_->port());
      apply(config);
    }
    log(Level::kInfo, "serve ready",
        {{"root", root_.path()},
         {"socket", root_.path() + "/ingest.sock"},
         {"http", http_.empty() ? "none" : http_},
         {"sync", sync_text(config.writer)},
         {"recipients", recipients_text(keys_)},
         {"commit", std::to_string(writer_.status().head.commit.value)}});
    return {};
  }

  void reload() {
    const auto load = [&]() -> Result<void> {
      KHIPU_TRY_ASSIGN(const Config config, load_config(options_));
      KHIPU_TRY_ASSIGN(std::shared_ptr<const auth::Tokens> tokens, load_tokens(keys_));
      const size_t count = tokens->list().size();
      if (config.listen != config_.listen || config.insecure_http != config_.insecure_http ||
          config.http.connections_max != config_.http.connections_max ||
          config.http.body_size_bytes_max != config_.http.body_size_bytes_max ||
          config.http.request_time_ms != config_.http.request_time_ms ||
          config.http.idle_time_ms != config_.http.idle_time_ms) {
        log(Level::kWarning, "reload: changes in [http] take effect at the next start");
      }
      if (config.writer.segment_size_bytes != config_.writer.segment_size_bytes) {
        log(Level::kWarning, "reload: a change of writer.segment_size_bytes takes effect at the next start");
      }
      writer_.reconfigure(config.writer);
      api_.set_tokens(std::move(tokens));
      keeper_->set(config.retention);
      apply(config);
      log(Level::kInfo, "reload done", {{"tokens", std::to_string(count)}, {"sync", sync_text(config.writer)}});
      return {};
    };
    const Result<void> loaded = load();
    if (!loaded.ok()) log(Level::kError, "reload refused, nothing changed", {{"reason", loaded.error().message}});
  }

  void stop(int grace_ms) {
    std::thread tcp([&] {
      if (tcp_) tcp_->stop(grace_ms);
    });
    std::thread access([&] {
      if (access_) access_->stop(grace_ms);
    });
    if (local_) local_->stop(grace_ms);
    tcp.join();
    access.join();
    api_.set_keeper(nullptr);
    keeper_.reset();
    (void)root_.unlink(kSocketName).ok();
    (void)root_.unlink(kAccessSocketName).ok();
  }

  uint32_t drain_ms() const { return config_.drain_ms; }
  const writer::Options& writer_options() const { return config_.writer; }  // as they were last read

 private:
  // We hold LOCK, so a socket that is already there belongs to nobody.
  Result<std::unique_ptr<HttpListener>> open_socket(std::string_view name, const HttpLimits& limits,
                                                    HttpHandler handler) {
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> stale, root_.stat(name));
    if (stale && stale->kind != os::EntryKind::kOther) {
      return Error{Code::kConflict, root_.path() + "/" + std::string(name) + ": is not a socket"};
    }
    if (stale) KHIPU_TRY(root_.unlink(name));
    KHIPU_TRY_ASSIGN(const os::SocketPath path, os::SocketPath::make(root_.path(), name));
    return HttpListener::open_local(path, limits, std::move(handler));
  }

  void apply(const Config& config) {
    config_ = config;
    api_.set_limits(config.writer.limits);
    api_.set_facts({root_.path(), sync_text(config.writer), http_, started_, body_size_bytes_max_});
  }

  const ServeOptions& options_;
  os::Directory& root_;
  os::Directory& keys_;
  writer::Writer& writer_;
  WriterSink sink_;
  Api api_;
  Config config_;
  std::string http_;
  TimeUs started_ = 0;
  uint64_t body_size_bytes_max_ = 0;  // the listeners', whatever a reload says
  std::unique_ptr<Keeper> keeper_;    // ends after the listeners, whose requests use it
  std::unique_ptr<HttpListener> local_;
  std::unique_ptr<HttpListener> access_;
  std::unique_ptr<HttpListener> tcp_;
};

// Until SIGTERM or SIGINT, or the writer is poisoned: then why.
std::string run_until_told(os::Signals& signals, Server& server, writer::Writer& writer) {
  while (true) {
    const std::optional<os::Signal> signal = signals.wait(250);
    if (signal == os::Signal::kHangup) {
      os::notify_supervisor("RELOADING=1");
      server.reload();
      os::notify_supervisor("READY=1");
    } else if (signal) {
      return {};
    }
    std::string poisoned = writer.status().poisoned;
    if (!poisoned.empty()) return poisoned;
  }
}

}  // namespace

Result<void> serve(const ServeOptions& options) {
  os::Signals signals;  // before any thread
  os::restrict_umask();
  os::disable_core_dumps();
  KHIPU_TRY_ASSIGN(const Config config, load_config(options));
  KHIPU_TRY(check_open_files(config, os::raise_open_files_limit()));
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> root, os::open_directory(options.root));
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> keys, os::open_directory(options.keys));
  KHIPU_TRY_ASSIGN(std::shared_ptr<const auth::Tokens> tokens, load_tokens(*keys));
  KHIPU_TRY(check_exposure(config, *tokens));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  KHIPU_TRY_ASSIGN(const std::unique_ptr<writer::Writer> writer, writer::Writer::open(environment, config.writer));
  const writer::RecoveryReport recovery = writer->status().recovery;
  for (const std::string& file : recovery.quarantined) {
    log(Level::kWarning, "recovery set bytes aside", {{"file", "quarantine/" + file}});
  }

  Server server(options, *root, *keys, *writer);
  Result<void> outcome = server.start(config, std::move(tokens));
  if (outcome.ok()) {
    os::notify_supervisor("READY=1");
    const std::string poisoned = run_until_told(signals, server, *writer);
    if (!poisoned.empty()) {
      log(Level::kError, "writer poisoned", {{"reason", poisoned}});
      outcome = Error{Code::kPoisoned, "the writer stopped after a failed write: " + poisoned};
    }
  }
  os::notify_supervisor("STOPPING=1");
  log(Level::kInfo, "serve stopping");
  writer::Options at_once =
      server.writer_options();  // requests that wait for company would wait for the group's interval
  at_once.sync = writer::SyncPolicy::kAlways;
  writer->reconfigure(at_once);
  server.stop(static_cast<int>(server.drain_ms()));
  const Result<void> closed = writer->close();
  if (outcome.ok()) outcome = closed;
  log(Level::kInfo, "serve stopped", {{"commit", std::to_string(writer->status().head.commit.value)}});
  return outcome;
}

}  // namespace khipu::daemon
