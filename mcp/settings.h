// The command line of khipu-mcp as values. Unknown words are errors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "mcp/tools/access_observer.h"

namespace khipu::mcp {

struct Settings {
  std::string root;
  std::string key;         // a vkey or the path of a key file; empty: the log's own first key
  std::string cursor_key;  // file of it; empty: where engine/crypto/cursor_key.h says
  bool exit_when_orphaned = false;
  tools::AccessLog access_log = tools::AccessLog::kAuto;

  bool is_http = false;  // else stdio
  std::string address;   // numeric
  uint16_t port = 0;     // 0: any free one
  bool print_port = false;
  std::string tls_certificate_path, tls_key_path;
  bool insecure_http = false;  // plain HTTP beyond loopback
  std::vector<std::string> hosts, origins;
  std::string keys;                                      // folder of the tokens file; empty: ROOT.keys
  std::string oauth_issuer, oauth_resource, oauth_keys;  // all or none; keys: a file, or an address
  std::vector<std::string> role_keys;                    // folders with search or decrypt keys of protected fields
};

extern const char* const kHelp;
Result<Settings> parse_settings(int count, char** words);

}  // namespace khipu::mcp
