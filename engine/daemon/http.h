// HTTP/1.1 for the writer's listeners and for the command line that talks to them: the only door to cpp-httplib (0.41
// or newer), whose types stay in http_server.cc and http_client.cc. Not here: routes and answers (api.h), who may call
// (api.cc, auth).
//
// What is bounded before a handler runs: request line and headers (8 KiB a line, 100 headers), body (413, also
// chunked), the whole time a request may take to arrive, connections. Compressed bodies are refused (415), a header
// with control characters is 400. Nothing trusts X-Forwarded-For. Where there is no room for a connection, another one
// ends whose request is not there yet: of the peer (uid or address) that holds the most, the one waited for longest.
// Only when all are being answered the newcomer is told 503.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/os/local_socket.h"

namespace khipu::daemon {

struct HttpPeer {
  bool local = false;   // came over the Unix socket
  os::Peer process;     // when local
  std::string address;  // "192.0.2.7", else
};

// Borrowed by the handler for one call.
class HttpRequest {
 public:
  virtual ~HttpRequest() = default;
  virtual std::string_view method() const = 0;
  virtual std::string_view path() const = 0;  // decoded, without the query
  virtual const std::vector<std::pair<std::string, std::string>>& query() const = 0;
  virtual size_t header_count(const std::string& name) const = 0;
  virtual std::string header(const std::string& name) const = 0;  // the first, or ""
  virtual const HttpPeer& peer() const = 0;
  // The whole body; once. kLimit when larger than the listener allows, kIo when the client went away or was too slow.
  virtual Result<std::string> body() = 0;
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::optional<unsigned> retry_after_s;
  std::string allow;  // for 405
};
using HttpHandler = std::function<HttpResponse(HttpRequest&)>;  // called from many threads

struct HttpLimits {
  uint64_t body_size_bytes_max = 64ULL << 20;
  uint32_t connections_max = 256;
  uint32_t request_time_ms = 60000;  // from its first byte to its last
  uint32_t idle_time_ms = 30000;     // between two requests of a connection
};

// One listening socket with its threads. Owner: one thread.
class HttpListener {
 public:
  // 0660 and the path's folder decide who connects; a stale file at the path must have been removed.
  static Result<std::unique_ptr<HttpListener>> open_local(const os::SocketPath& path, HttpLimits limits,
                                                          HttpHandler handler);
  // `host` is a numeric address; port 0: any free one.
  static Result<std::unique_ptr<HttpListener>> open_tcp(const std::string& host, uint16_t port, HttpLimits limits,
                                                        HttpHandler handler);
  virtual ~HttpListener() = default;
  virtual uint16_t port() const = 0;
  // Accepts no more, lets requests that have begun finish for `grace_ms`, then cuts what is left, and waits for the
  // threads. A request that was cut was never answered, so nothing acknowledged is lost.
  virtual void stop(int grace_ms) = 0;
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::optional<unsigned> retry_after_s = {};
};
// A client of a writer's Unix socket, one connection kept alive. Owner: one thread.
class HttpClient {
 public:
  // Connects with the first request.
  static std::unique_ptr<HttpClient> open_local(os::SocketPath path);
  virtual ~HttpClient() = default;
  // kNotFound: nobody listens there. kIo: the connection broke, and whether the request was carried out is unknown.
  virtual Result<HttpAnswer> get(const std::string& path) = 0;
  virtual Result<HttpAnswer> post(const std::string& path, std::string_view content_type, std::string_view body,
                                  const std::vector<std::pair<std::string, std::string>>& headers) = 0;
};

}  // namespace khipu::daemon
