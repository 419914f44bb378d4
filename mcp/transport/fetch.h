// One document from an address the operator named: an HTTPS GET, without redirects, bounded in size and time. Not for
// addresses that come from outside.
#pragma once

#include <chrono>
#include <string>

#include "engine/base/result.h"

namespace khipu::mcp::transport {

struct FetchLimits {
  size_t size_bytes_max = size_t{256} << 10;
  std::chrono::milliseconds time_max{5000};
};

// The body of a 200. `url` is https, checked against the system's certificates, or http on loopback; kInvalid for
// others, kIo when it is not to be had.
Result<std::string> fetch(const std::string& url, const FetchLimits& limits = {});

}  // namespace khipu::mcp::transport
