#include "mcp/settings.h"

#include <charconv>

namespace khipu::mcp {
namespace {

Error usage(std::string what) { return Error{Code::kInvalid, std::move(what) + "; see khipu-mcp --help"}; }

// "127.0.0.1:8080", "[::1]:8080".
Result<void> take_address(std::string_view text, Settings& settings) {
  const size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  uint16_t number = 0;
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (host.empty() || port.empty() || failure != std::errc() || end != port.data() + port.size()) {
    return usage("--http needs ADDR:PORT, such as 127.0.0.1:8080");
  }
  settings.is_http = true;
  settings.address = host == "localhost" ? "127.0.0.1" : host;
  settings.port = number;
  return {};
}

// What only means something together.
Result<void> check(const Settings& settings) {
  if (settings.root.empty()) return usage("which ROOT?");
  if (settings.tls_certificate_path.empty() != settings.tls_key_path.empty()) {
    return usage("--tls-cert and --tls-key belong together");
  }
  const bool has_oauth_words =
      !settings.oauth_issuer.empty() || !settings.oauth_resource.empty() || !settings.oauth_keys.empty();
  if (has_oauth_words &&
      (settings.oauth_issuer.empty() || settings.oauth_resource.empty() || settings.oauth_keys.empty())) {
    return usage("--oauth-issuer, --oauth-resource and --oauth-keys belong together");
  }
  const bool has_http_words = settings.print_port || settings.insecure_http || !settings.tls_certificate_path.empty() ||
                              !settings.hosts.empty() || !settings.origins.empty() || !settings.keys.empty() ||
                              has_oauth_words;
  if (has_http_words && !settings.is_http)
    return usage("--print-port, --insecure-http, --tls-*, --keys, --oauth-*, --host and --origin belong to --http");
  if (settings.exit_when_orphaned && settings.is_http) return usage("--exit-when-orphaned belongs to stdio");
  return {};
}

}  // namespace

const char* const kHelp =
    "khipu-mcp - lets an MCP host query, walk and verify a khipu audit log. Reads only.\n"
    "\n"
    "usage: khipu-mcp [--key KEY] [--role-keys DIR]... [--access-log MODE] [--cursor-key FILE] [--exit-when-orphaned] "
    "ROOT\n"
    "       khipu-mcp [--key KEY] [--role-keys DIR]... [--access-log MODE] [--cursor-key FILE] [--keys DIR]\n"
    "                 --http ADDR:PORT [--print-port] [--tls-cert F --tls-key F | --insecure-http] [--host "
    "NAME]...\n"
    "                 [--origin URL]... [--oauth-issuer URL --oauth-resource URL --oauth-keys FILE|URL] ROOT\n"
    "\n"
    "  ROOT              directory of the log (made by `khipu init`)\n"
    "  --key KEY         the verifier key you were handed: a vkey, or a file (audit.vkey, verifier.pub): every answer "
    "is then checked\n"
    "                    against it. Without it the log's own first key is used, and answers say self_consistent\n"
    "  --access-log MODE  each call is reported to the running writer, who records it in the log's access table. "
    "auto (default):\n"
    "                    when no writer answers, the answer says that the read was not recorded; required: then "
    "nothing "
    "is answered;\n"
    "                    off: nothing is reported\n"
    "  --cursor-key FILE  key file of cursors, made when it is missing; default: cursor.key of ROOT.keys if one lies "
    "there, else\n"
    "                    cursor.key in $XDG_STATE_HOME/khipu (~/.local/state/khipu), made when it is missing. A cursor "
    "outlives\n"
    "                    this process with it; where no key can be kept, it does not\n"
    "  --exit-when-orphaned  stop when the parent process is gone, also when it left stdin open\n"
    "  --http ADDR:PORT  Streamable HTTP at http://ADDR:PORT/mcp in place of stdin and stdout; port 0 takes any free "
    "one.\n"
    "                    Who calls is told by bearer tokens (`khipu token add ROOT NAME --grant query ...`): wanted "
    "from "
    "everyone\n"
    "                    as soon as there is one of a reader (and for good), and without one nothing beyond loopback "
    "is "
    "served\n"
    "  --keys DIR        where the tokens file lies; default ROOT.keys. SIGHUP reads it again\n"
    "  --role-keys DIR   folder with search keys (protected fields can be searched) or decrypt keys (audit_get_event "
    "with reveal\n"
    "                    shows them to callers with the grant reveal); several: all of them. Never the writer's.\n"
    "                    Files that come, go or change their size are taken up with the next call; SIGHUP reads all "
    "again\n"
    "  --oauth-issuer URL, --oauth-resource URL, --oauth-keys FILE|URL\n"
    "                    also take access tokens (JWT) of this issuer for this audience, which is our own address as "
    "clients\n"
    "                    know it (https://audit.example.org/mcp), signed by a key of this JWKS. The scopes "
    "khipu:query, "
    "khipu:reveal,\n"
    "                    khipu:prove, khipu:verify and khipu:access_log are the grants; the claims khipu_types and "
    "khipu_sources limit\n"
    "                    what is seen. SIGHUP reads the keys again; an address is also asked when a key is unknown\n"
    "  --print-port      print the port, alone on one line of stdout, once it listens\n"
    "  --tls-cert F, --tls-key F  HTTPS with this PEM chain and key; SIGHUP reads them again\n"
    "  --insecure-http   allow plain HTTP beyond loopback: tokens and answers travel in the clear; default: refuse\n"
    "  --host NAME       take requests for this Host too (localhost and ADDR always are)\n"
    "  --origin URL      let pages of this origin call, such as https://app.example.org (on loopback, local ones may)\n"
    "  --version         print the version\n"
    "  --help            print this\n"
    "\n"
    "Speaks MCP 2024-11-05 to 2025-11-25 and 2026-07-28; diagnostics go to stderr. SIGTERM ends it in order.\n"
    "Exit codes: 0 ok, 3 usage or I/O.\n"
    "\n"
    "Claude Desktop: {\"mcpServers\": {\"audit\": {\"command\": \"khipu-mcp\", \"args\": [\"/path/to/ROOT\"]}}}\n";

Result<Settings> parse_settings(int count, char** words) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    std::string word = words[i];
    if (word == "--exit-when-orphaned") {
      settings.exit_when_orphaned = true;
      continue;
    }
    if (word == "--insecure-http") {
      settings.insecure_http = true;
      continue;
    }
    if (word == "--print-port") {
      settings.print_port = true;
      continue;
    }
    if (!word.starts_with("-")) {
      if (!settings.root.empty()) return usage("one ROOT only");
      settings.root = word;
      continue;
    }
    // --name VALUE or --name=VALUE
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    std::string* single = name == "--key"              ? &settings.key
                          : name == "--cursor-key"     ? &settings.cursor_key
                          : name == "--keys"           ? &settings.keys
                          : name == "--tls-cert"       ? &settings.tls_certificate_path
                          : name == "--tls-key"        ? &settings.tls_key_path
                          : name == "--oauth-issuer"   ? &settings.oauth_issuer
                          : name == "--oauth-resource" ? &settings.oauth_resource
                          : name == "--oauth-keys"     ? &settings.oauth_keys
                                                       : nullptr;
    std::vector<std::string>* several = name == "--host"        ? &settings.hosts
                                        : name == "--origin"    ? &settings.origins
                                        : name == "--role-keys" ? &settings.role_keys
                                                                : nullptr;
    if (single == nullptr && several == nullptr && name != "--http" && name != "--access-log") {
      return usage("unknown option " + word.substr(0, 40));
    }
    if (equals == std::string::npos && i + 1 == count) return usage(name + " needs a value");
    const std::string value = equals == std::string::npos ? words[++i] : word.substr(equals + 1);
    if (value.empty()) return usage(name + " needs a value");
    if (single != nullptr) {
      *single = value;
    } else if (several != nullptr) {
      several->push_back(value);
    } else if (name == "--access-log") {
      const std::optional<tools::AccessLog> mode = tools::access_log(value);
      if (!mode) return usage("--access-log is required, auto or off");
      settings.access_log = *mode;
    } else {
      KHIPU_TRY(take_address(value, settings));
    }
  }
  KHIPU_TRY(check(settings));
  return settings;
}

}  // namespace khipu::mcp
