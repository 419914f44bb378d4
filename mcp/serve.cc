#include "mcp/serve.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "engine/os/process.h"
#include "mcp/server/conversation.h"
#include "mcp/server/web.h"
#include "mcp/transport/http.h"
#include "mcp/transport/stdio.h"

namespace khipu::mcp {
namespace {

constexpr int kSignalSliceMs = 60'000;
constexpr std::chrono::milliseconds kStopGrace{2000};

}  // namespace

void log_line(std::string_view text) {
  std::fprintf(stderr, "khipu-mcp: %.*s\n", static_cast<int>(text.size()), text.data());
}

server::Caller local_caller() {
  return {"uid:" + std::to_string(os::effective_user_id()), {"query", "reveal", "prove", "verify", "access_log"}, ""};
}

Result<int> serve_stdio(const Settings& settings, os::Signals& signals, server::Server& server,
                        const std::function<void()>& on_hangup) {
  transport::StdioOptions options;
  options.exit_when_orphaned = settings.exit_when_orphaned;
  options.log = log_line;
  KHIPU_TRY_ASSIGN(auto stdio, transport::Stdio::take_standard_streams(std::move(options)));
  std::atomic<bool> is_over = false;
  std::thread watcher([&] {
    while (!is_over) {
      const std::optional<os::Signal> signal = signals.wait(kSignalSliceMs);
      if (!signal || is_over) continue;
      if (*signal == os::Signal::kHangup && on_hangup) {
        on_hangup();
      } else {
        stdio->stop();
      }
    }
  });
  server::Conversation conversation(server, local_caller());
  const bool is_idle = stdio->run(conversation);
  if (!is_idle) std::_Exit(0);  // a call that does not stop must not keep the host waiting
  is_over = true;
  signals.wake();
  watcher.join();
  return 0;
}

Result<int> serve_http(const Settings& settings, os::Signals& signals, server::Server& server,
                       transport::Authenticator& authenticator, std::function<bool()> is_open,
                       std::vector<transport::GetRoute> routes, const std::function<void()>& on_hangup) {
  server::Web web(server, {});
  transport::HttpOptions options;
  options.address = settings.address;
  options.port = settings.port;
  options.tls_certificate_path = settings.tls_certificate_path;
  options.tls_key_path = settings.tls_key_path;
  options.insecure = settings.insecure_http;
  options.authenticator = &authenticator;
  options.is_open = std::move(is_open);
  options.caller = local_caller();
  options.routes = std::move(routes);
  options.hosts = settings.hosts;
  options.origins = settings.origins;
  options.log = log_line;
  const std::string path = options.path;
  KHIPU_TRY_ASSIGN(auto http, transport::Http::open(std::move(options), web));
  const std::string port = std::to_string(http->port());
  if (settings.print_port) {
    std::printf("%s\n", port.c_str());
    std::fflush(stdout);
  }
  const bool is_v6 = settings.address.find(':') != std::string::npos;
  log_line(std::string("listening at ") + (settings.tls_key_path.empty() ? "http://" : "https://") +
           (is_v6 ? "[" + settings.address + "]" : settings.address) + ":" + port + path);
  while (true) {
    const std::optional<os::Signal> signal = signals.wait(kSignalSliceMs);
    if (!signal) continue;
    if (*signal != os::Signal::kHangup) break;
    if (!settings.tls_key_path.empty()) {
      const Result<void> reloaded = http->reload_certificate();
      log_line(reloaded.ok() ? "the certificate was read again"
                             : "the old certificate stays: " + reloaded.error().message);
    }
    if (on_hangup) on_hangup();
  }
  http->stop(kStopGrace);
  return 0;
}

}  // namespace khipu::mcp
