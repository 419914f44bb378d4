// Settings of `khipu serve`: defaults, the TOML file (--config), the words of its flags. Strict: an unknown key, a
// wrong kind or a number out of bounds is an Error with the line. examples/khipu.toml shows every key.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/daemon/http.h"
#include "engine/daemon/keeper.h"
#include "engine/writer/writer.h"

namespace khipu::daemon {

struct Config {
  writer::Options writer;
  HttpLimits http;
  RetentionSettings retention;
  std::string listen;          // "127.0.0.1:7340"; empty: no TCP listener
  bool insecure_http = false;  // plain HTTP beyond loopback, for a proxy or a private network that encrypts
  uint32_t drain_ms = 10000;   // how long SIGTERM lets running requests finish
};

// Applies the text over `config`; on an Error `config` is as it was. `name` is for messages.
Result<void> apply_toml(std::string_view text, std::string_view name, Config& config);
// "always", "group:N:MS" or "os".
Result<void> apply_sync(std::string_view text, writer::Options& options);
std::string sync_text(const writer::Options& options);

struct Endpoint {
  std::string host;  // numeric, without brackets
  uint16_t port = 0;
  bool loopback = false;
};
// "127.0.0.1:7340" or "[::1]:7340".
Result<Endpoint> parse_endpoint(std::string_view text);

// Every key with its default and bounds, one a line: part of `khipu serve --help`.
std::string settings_help();

}  // namespace khipu::daemon
