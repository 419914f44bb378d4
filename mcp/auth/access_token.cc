#include "mcp/auth/access_token.h"

#include <algorithm>
#include <cmath>

#include "engine/auth/tokens.h"

namespace khipu::mcp::auth {
namespace {

constexpr int64_t kSkewSeconds = 30;       // between the authorization server's clock and ours
constexpr double kTimeMax = 253402300799;  // the year 9999
constexpr size_t kSubjectSizeMax = 128;
constexpr size_t kScopeListMax = 256;

Error rejected(std::string why) { return {Code::kForbidden, std::move(why)}; }

char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// Seconds since 1970; nullopt when the claim is absent. A claim that is there and no time is an error.
Result<std::optional<double>> time_of(const Json& claims, const char* name) {
  const auto claim = claims.find(name);
  if (claim == claims.end()) return std::optional<double>();
  if (!claim->is_number()) return rejected(std::string(name) + " is not a number");
  const double seconds = claim->get<double>();
  if (!std::isfinite(seconds) || seconds < 0 || seconds > kTimeMax) return rejected(std::string(name) + " is no time");
  return std::optional<double>(seconds);
}

bool is_for(const Json& claims, const std::string& resource) {
  const auto audience = claims.find("aud");
  if (audience == claims.end()) return false;
  const auto is_ours = [&](const Json& one) {
    if (!one.is_string()) return false;
    const Result<std::string> uri = canonical_uri(one.get_ref<const std::string&>());
    return uri.ok() && *uri == resource;
  };
  return audience->is_array() ? std::any_of(audience->begin(), audience->end(), is_ours) : is_ours(*audience);
}

// The grants of the scopes, each once, in the order of the enumeration; scopes of others are nothing to us.
Result<std::vector<std::string>> grants_of(const Json& claims) {
  const auto scope = claims.find("scope");
  std::vector<std::string> grants;
  if (scope == claims.end()) return grants;
  if (!scope->is_string()) return rejected("scope is not a text");
  const std::string padded = " " + scope->get<std::string>() + " ";
  for (size_t i = 0; i < khipu::auth::kGrantCount; ++i) {
    const auto grant = static_cast<khipu::auth::Grant>(i);
    if (grant == khipu::auth::Grant::kIngest) continue;  // nothing a reader could do
    const std::string name(khipu::auth::name(grant));
    if (padded.find(" " + std::string(kScopePrefix) + name + " ") != std::string::npos) grants.push_back(name);
  }
  return grants;
}

// Absent: no restriction. An empty or malformed list must not become one.
Result<std::vector<std::string>> list_of(const Json& claims, const char* name) {
  std::vector<std::string> list;
  const auto claim = claims.find(name);
  if (claim == claims.end()) return list;
  if (!claim->is_array() || claim->empty() || claim->size() > kScopeListMax) {
    return rejected(std::string(name) + " is not a list of 1 to 256 names");
  }
  for (const Json& one : *claim) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) {
      return rejected(std::string(name) + " holds something that is no name");
    }
    list.push_back(one.get<std::string>());
  }
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

}  // namespace

Result<std::string> canonical_uri(std::string_view text) {
  const Error wrong{Code::kInvalid, "not an address such as https://audit.example.org/mcp"};
  if (text.empty() || text.size() > 512 || !is_printable(text)) return wrong;
  if (text.find_first_of("?#\\\"<>") != std::string_view::npos) return wrong;
  const size_t mark = text.find("://");
  if (mark == std::string_view::npos) return wrong;
  std::string scheme(text.substr(0, mark));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), lower_case);
  const std::string_view rest = text.substr(mark + 3);
  std::string host(rest.substr(0, rest.find('/')));
  std::transform(host.begin(), host.end(), host.begin(), lower_case);
  std::string_view path = rest.substr(host.size());
  while (path.ends_with('/')) path.remove_suffix(1);
  const auto is_host = [&](std::string_view name) { return host == name || host.starts_with(std::string(name) + ":"); };
  const bool is_local = is_host("localhost") || is_host("127.0.0.1") || is_host("[::1]");
  if (scheme != "https" && !(scheme == "http" && is_local)) return wrong;
  if (host.empty() || host.front() == ':' || host.find('@') != std::string::npos) return wrong;
  return scheme + "://" + host + std::string(path);
}

Result<jsonrpc::Caller> caller_of(const Json& claims, const Expected& expected, TimeUs now) {
  const auto issuer = claims.find("iss");
  if (issuer == claims.end() || !issuer->is_string() || issuer->get_ref<const std::string&>() != expected.issuer) {
    return rejected("the token is of another issuer");
  }
  if (!is_for(claims, expected.resource)) return rejected("the token is for another audience");
  const double seconds = static_cast<double>(now) / 1e6;
  KHIPU_TRY_ASSIGN(const std::optional<double> expires, time_of(claims, "exp"));
  KHIPU_TRY_ASSIGN(const std::optional<double> begins, time_of(claims, "nbf"));
  KHIPU_TRY(time_of(claims, "iat"));
  if (!expires || seconds >= *expires + kSkewSeconds) return rejected("the token has expired, or never says when");
  if (begins && seconds + kSkewSeconds < *begins) return rejected("the token is not valid yet");
  const auto subject = claims.find("sub");
  if (subject == claims.end() || !subject->is_string()) return rejected("the token names no subject");
  const std::string& name = subject->get_ref<const std::string&>();
  if (name.empty() || name.size() > kSubjectSizeMax || !is_printable(name)) {
    return rejected("the subject is not 1 to 128 printable characters");
  }
  jsonrpc::Caller caller;
  caller.id = "oauth:" + name;
  KHIPU_TRY_ASSIGN(caller.grants, grants_of(claims));
  KHIPU_TRY_ASSIGN(caller.scope.types, list_of(claims, "khipu_types"));
  KHIPU_TRY_ASSIGN(caller.scope.sources, list_of(claims, "khipu_sources"));
  return caller;
}

}  // namespace khipu::mcp::auth
