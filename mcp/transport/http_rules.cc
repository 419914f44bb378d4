#include "mcp/transport/http_rules.h"

#include <algorithm>

namespace khipu::mcp::transport {
namespace {

constexpr std::string_view kParamPrefix = "mcp-param-";
constexpr size_t kSessionSizeMax = 256;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool is_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The part before a ';', in lower case, without blanks.
std::string media_type(std::string_view text) { return lower(trim_blanks(text.substr(0, text.find(';')))); }

}  // namespace

bool is_loopback(std::string_view address) {
  if (address == "::1") return true;
  if (!address.starts_with("127.")) return false;
  return std::all_of(address.begin(), address.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

std::optional<std::string> host_name(std::string_view host) {
  std::string_view name = host, port;
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    name = host.substr(1, end - 1);
    port = host.substr(end + 1);
    if (!std::all_of(name.begin(), name.end(), [](char c) {
          return c == ':' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        })) {
      return std::nullopt;
    }
  } else {
    const size_t colon = host.find(':');
    name = host.substr(0, colon);
    port = colon == std::string_view::npos ? "" : host.substr(colon);
    const auto fits = [](char c) {
      return c == '.' || c == '-' || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
             (c >= 'A' && c <= 'Z');
    };
    if (!std::all_of(name.begin(), name.end(), fits)) return std::nullopt;
  }
  if (name.empty()) return std::nullopt;
  if (!port.empty() && (!port.starts_with(':') || port.size() < 2 || port.size() > 6 || !is_digits(port.substr(1)))) {
    return std::nullopt;
  }
  return lower(name);
}

bool allows_host(const HostRules& rules, std::string_view host) {
  const std::optional<std::string> name = host_name(host);
  return name && std::find(rules.hosts.begin(), rules.hosts.end(), *name) != rules.hosts.end();
}

bool allows_origin(const HostRules& rules, std::string_view origin) {
  if (std::find(rules.origins.begin(), rules.origins.end(), origin) != rules.origins.end()) return true;
  if (!rules.takes_local_origins) return false;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!origin.starts_with(scheme)) continue;
    const std::optional<std::string> name = host_name(origin.substr(scheme.size()));
    return name && (*name == "localhost" || is_loopback(*name));
  }
  return false;
}

Accepts parse_accept(std::string_view header) {
  Accepts accepts;
  if (trim_blanks(header).empty()) return {true, false};
  while (!header.empty()) {
    const size_t end = std::min(header.find(','), header.size());
    const std::string type = media_type(header.substr(0, end));
    accepts.json |= type == "application/json" || type == "application/*" || type == "*/*";
    accepts.stream |= type == "text/event-stream" || type == "text/*";
    header.remove_prefix(std::min(end + 1, header.size()));
  }
  return accepts;
}

bool is_json_type(std::string_view content_type) { return media_type(content_type) == "application/json"; }

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::string trim_blanks(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

std::variant<jsonrpc::Head, std::string> collect_head(const Headers& headers) {
  jsonrpc::Head head;
  const std::pair<std::string_view, std::optional<std::string>*> kSingle[] = {{"mcp-session-id", &head.session},
                                                                              {"mcp-protocol-version", &head.version},
                                                                              {"mcp-method", &head.method},
                                                                              {"mcp-name", &head.name}};
  for (const auto& [given, value] : headers) {
    const std::string name = lower(given);
    if (!name.starts_with("mcp-")) continue;
    for (const auto& [single, member] : kSingle) {
      if (name != single) continue;
      if (*member) return "the header " + std::string(single) + " came twice";
      *member = trim_blanks(value);
    }
    if (!name.starts_with(kParamPrefix)) continue;
    std::string param = name.substr(kParamPrefix.size());
    const auto is_same = [&](const auto& other) { return other.first == param; };
    if (std::any_of(head.params.begin(), head.params.end(), is_same)) return "a header Mcp-Param-* came twice";
    head.params.emplace_back(std::move(param), trim_blanks(value));
  }
  const auto is_visible = [](char c) { return c >= 0x21 && c <= 0x7E; };
  if (head.session && (head.session->empty() || head.session->size() > kSessionSizeMax ||
                       !std::all_of(head.session->begin(), head.session->end(), is_visible))) {
    head.has_odd_session = true;
    head.session.reset();
  }
  return head;
}

}  // namespace khipu::mcp::transport
