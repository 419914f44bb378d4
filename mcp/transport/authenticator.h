// Who calls over HTTP: asked for each request, before anything of its body is read. Not here: any scheme (mcp/auth).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mcp/jsonrpc/caller.h"

namespace khipu::mcp::transport {

// A request without its body. Borrowed for one call; header names in any case.
class RequestHead {
 public:
  virtual ~RequestHead() = default;
  virtual std::string_view method() const = 0;   // "POST"
  virtual std::string_view path() const = 0;     // "/mcp", without the query
  virtual std::string_view address() const = 0;  // of the peer: "192.0.2.7". X-Forwarded-For is a header like any other
  virtual bool is_tls() const = 0;
  virtual size_t header_count(const std::string& name) const = 0;
  virtual std::string header(const std::string& name) const = 0;  // the first, or ""; no controls in it
};

struct Refusal {
  int status = 401;              // 401, 403, 429, 503
  std::string www_authenticate;  // the header; empty: none
  std::string message;           // for people; sent
};

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Called for every request to the endpoint, from many threads; a session id is no proof of anything.
  virtual std::variant<jsonrpc::Caller, Refusal> authenticate(const RequestHead& head) = 0;
};

// A resource beside the endpoint, for anyone: /.well-known/oauth-protected-resource.
struct GetRoute {
  std::string path;  // exact
  struct Answer {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::string cache_control = "no-store";
  };
  std::function<Answer(const RequestHead&)> answer;  // from many threads
};

}  // namespace khipu::mcp::transport
