// cpp-httplib's server with what it does not bound itself: connections, the whole time of a request, the end of a
// connection after an error, and TLS whose certificate can change while it runs.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "engine/base/result.h"
#include "engine/os/read_ahead.h"
#include "mcp/transport/httplib.h"

namespace khipu::mcp::transport {

// A certificate and its key, ready for handshakes.
class TlsContext {
 public:
  static Result<std::shared_ptr<TlsContext>> load(const std::string& certificate_path, const std::string& key_path);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  httplib::tls::ctx_t get() const { return context_; }

 private:
  explicit TlsContext(httplib::tls::ctx_t context) : context_(context) {}
  httplib::tls::ctx_t context_;
};

struct HttpServerLimits {
  size_t connections_max = 512;
  std::chrono::milliseconds request_time_max{10'000};
};

class HttpServer final : public httplib::Server {
 public:
  explicit HttpServer(HttpServerLimits limits);

  // Handshakes from now on use this one; nullptr: no TLS.
  void use_tls(std::shared_ptr<TlsContext> context);
  // The status of the answer this thread is about to send: after an error the connection ends.
  static void note_status(int status);

  void begin_stop() { stopping_ = true; }  // a connection ends with the request it is at, a new one is refused
  bool is_stopping() const { return stopping_; }
  void cut_connections();
  bool wait_until_answered(std::chrono::milliseconds wait_max);  // false: requests are still at work
  bool wait_until_idle(std::chrono::milliseconds wait_max);      // false: connections are still open

 private:
  bool process_and_close_socket(socket_t socket) override;
  void count_request(int change);
  bool serve(socket_t socket);
  bool serve_tls(socket_t socket, TlsContext& context);
  template <typename MakeStream>
  bool serve_requests(socket_t socket, os::Wire wire, const MakeStream& make_stream);
  void linger(socket_t socket);

  const HttpServerLimits limits_;
  std::atomic<bool> stopping_ = false;
  std::mutex tls_mutex_;
  std::shared_ptr<TlsContext> tls_;  // guarded by tls_mutex_
  std::mutex mutex_;                 // guards the next three
  std::set<socket_t> open_;
  size_t requests_ = 0;  // at work, from their first byte to the last of their answer
  bool cutting_ = false;
  std::condition_variable idle_;
};

}  // namespace khipu::mcp::transport
