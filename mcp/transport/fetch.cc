#include "mcp/transport/fetch.h"

#include "mcp/transport/httplib.h"

namespace khipu::mcp::transport {
namespace {

bool is_local_origin(std::string_view origin) {
  for (const std::string_view name : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    if (origin == name || (origin.starts_with(name) && origin[name.size()] == ':')) return true;
  }
  return false;
}

}  // namespace

Result<std::string> fetch(const std::string& url, const FetchLimits& limits) {
  const size_t mark = url.find("://");
  const size_t slash = mark == std::string::npos ? mark : url.find('/', mark + 3);
  const std::string origin = url.substr(0, slash);
  const std::string path = slash == std::string::npos ? "/" : url.substr(slash);
  if (!origin.starts_with("https://") && !is_local_origin(origin)) {
    return Error{Code::kInvalid, "an address is https, or http on loopback"};
  }
  if (origin.find('@') != std::string::npos) return Error{Code::kInvalid, "an address names no user"};
  httplib::Client client(origin);
  if (!client.is_valid()) return Error{Code::kInvalid, "not an address: " + origin};
  client.set_follow_location(false);
  client.set_connection_timeout(limits.time_max);
  client.set_read_timeout(limits.time_max);
  client.set_write_timeout(limits.time_max);
  client.set_max_timeout(limits.time_max);
  std::string body;
  int status = 0;
  const auto result = client.Get(
      path, httplib::Headers{{"Accept", "application/json"}},
      [&](const httplib::Response& response) {
        status = response.status;
        return status == 200;
      },
      [&](const char* data, size_t size) {
        if (size > limits.size_bytes_max - body.size()) return false;
        body.append(data, size);
        return true;
      });
  if (status != 0 && status != 200) {
    return Error{Code::kIo, origin + " answered with status " + std::to_string(status)};
  }
  if (!result) return Error{Code::kIo, origin + ": " + httplib::to_string(result.error())};
  return body;
}

}  // namespace khipu::mcp::transport
