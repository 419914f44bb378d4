// Streamable HTTP: one endpoint, POST with an answer or a stream, GET streams, DELETE. The only door to cpp-httplib in
// mcp/, whose types stay in http*.cc.
//
// It delivers and decides nothing about MCP: sessions, eras and statuses come from a jsonrpc::WebHandler. What it
// decides is HTTP: who may connect (Host, Origin, Authenticator), methods, types, sizes, time. Specified in the MCP
// transports pages, "Streamable HTTP".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "mcp/jsonrpc/channel.h"
#include "mcp/transport/authenticator.h"

namespace khipu::mcp::transport {

struct HttpOptions {
  std::string address = "127.0.0.1";  // numeric; beyond loopback only with an authenticator
  uint16_t port = 0;                  // 0: any free one
  std::string path = "/mcp";
  std::string tls_certificate_path;  // PEM chain; both or neither
  std::string tls_key_path;
  bool insecure = false;                   // plain HTTP beyond loopback is meant
  Authenticator* authenticator = nullptr;  // borrowed
  // On loopback alone: who sends no Authorization is `caller`. Who sends one is whom it names, or nobody. Without an
  // authenticator it is so, too.
  std::function<bool()> is_open;  // asked for each request, from many threads; none: never
  jsonrpc::Caller caller;
  std::vector<GetRoute> routes;
  // Beyond localhost, 127.0.0.1, [::1] and the address itself: "audit.example.org", "https://app.example.org".
  std::vector<std::string> hosts;
  std::vector<std::string> origins;
  size_t body_size_bytes_max = size_t{4} << 20;
  size_t connections_max = 512;                                         // a thread each; one more is closed at once
  size_t streams_max = 384;                                             // of them, long ones: one more is 503
  size_t stream_queue_bytes_max = size_t{8} << 20;                      // unread; beyond it the client is given up
  std::chrono::milliseconds request_time_max{10'000};                   // from the first byte of a request to its last
  std::chrono::milliseconds keep_alive{15'000};                         // a comment on a silent stream
  std::function<void(std::string_view)> log = [](std::string_view) {};  // never a payload or a token
};

// Owner: one thread. The handler outlives it.
class Http {
 public:
  static Result<std::unique_ptr<Http>> open(HttpOptions options, jsonrpc::WebHandler& handler);
  virtual ~Http() = default;
  virtual uint16_t port() const = 0;
  // Reads the two files again: handshakes from now on see the new certificate. On error the old one stays.
  virtual Result<void> reload_certificate() = 0;
  // Accepts no more, lets requests that have begun finish for `grace`, then cuts what is left. Streams end at once: the
  // handler is asked to finish them first (WebHandler::close_stream).
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace khipu::mcp::transport
