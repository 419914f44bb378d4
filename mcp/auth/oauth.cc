#include "mcp/auth/oauth.h"

#include "engine/auth/tokens.h"

namespace khipu::mcp::auth {
namespace {

constexpr std::string_view kWellKnown = "/.well-known/oauth-protected-resource";
constexpr TimeUs kSecond = 1'000'000;
constexpr TimeUs kAskAgainAfter = 60 * kSecond;  // strangers can name unknown keys as fast as they like
constexpr TimeUs kOldAfter = 900 * kSecond;      // a key the authorization server took back is out by then

std::vector<std::string> scopes() {
  std::vector<std::string> all;
  for (size_t i = 0; i < khipu::auth::kGrantCount; ++i) {
    const auto grant = static_cast<khipu::auth::Grant>(i);
    if (grant != khipu::auth::Grant::kIngest) all.push_back(std::string(kScopePrefix) + std::string(name(grant)));
  }
  return all;
}

}  // namespace

OAuthAuthenticator::OAuthAuthenticator(OAuthOptions options, transport::Authenticator& bearer)
    : options_(std::move(options)), bearer_(bearer) {
  const std::string& resource = options_.expected.resource;
  const size_t slash = resource.find('/', resource.find("://") + 3);
  const std::string origin = resource.substr(0, slash);
  metadata_path_ = std::string(kWellKnown) + (slash == std::string::npos ? "" : resource.substr(slash));
  metadata_url_ = origin + metadata_path_;
  OrderedJson metadata;
  metadata["resource"] = resource;
  metadata["authorization_servers"] = {options_.expected.issuer};
  metadata["scopes_supported"] = scopes();
  metadata["bearer_methods_supported"] = {"header"};
  metadata["resource_name"] = "khipu audit log";
  metadata_ = metadata.dump();
}

Result<std::unique_ptr<OAuthAuthenticator>> OAuthAuthenticator::open(OAuthOptions options,
                                                                     transport::Authenticator& bearer) {
  std::unique_ptr<OAuthAuthenticator> made(new OAuthAuthenticator(std::move(options), bearer));
  KHIPU_TRY(made->reload());
  return made;
}

Result<void> OAuthAuthenticator::reload() {
  const std::lock_guard reading(reading_);
  {
    const std::lock_guard lock(mutex_);
    asked_at_ = options_.now();
  }
  KHIPU_TRY_ASSIGN(const std::string text, at("OAuth keys", options_.read_keys()));
  KHIPU_TRY_ASSIGN(KeySet set, at("OAuth keys", KeySet::parse(text)));
  auto shared = std::make_shared<const KeySet>(std::move(set));
  const std::lock_guard lock(mutex_);
  keys_ = std::move(shared);
  return {};
}

std::shared_ptr<const KeySet> OAuthAuthenticator::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

// The thread that finds the keys wanting asks for them, the others go on with what there is.
std::shared_ptr<const KeySet> OAuthAuthenticator::keys_for(const TokenHeader& header) {
  const std::shared_ptr<const KeySet> now_held = keys();
  if (!options_.is_remote) return now_held;
  const bool is_known = now_held->has_key_for(header);
  {
    const std::lock_guard lock(mutex_);
    const TimeUs now = options_.now();
    const bool steps_back = now < asked_at_;
    if (!steps_back && now - asked_at_ < (is_known ? kOldAfter : kAskAgainAfter)) return now_held;
    asked_at_ = now;
  }
  if (const Result<void> read = reload(); !read.ok()) {
    options_.log("the old keys stay: " + read.error().message);
  }
  return keys();
}

std::string OAuthAuthenticator::challenge(std::string_view error, std::string_view description) const {
  std::string header = "Bearer realm=\"khipu\"";
  if (!error.empty()) header += ", error=\"" + std::string(error) + "\"";
  if (!description.empty()) header += ", error_description=\"" + std::string(description) + "\"";
  return header + ", scope=\"" + std::string(kScopePrefix) + "query\", resource_metadata=\"" + metadata_url_ + "\"";
}

std::variant<jsonrpc::Caller, transport::Refusal> OAuthAuthenticator::authenticate(const transport::RequestHead& head) {
  const std::string token = bearer_token(head);
  if (token.starts_with(khipu::auth::kTokenPrefix)) {
    auto verdict = bearer_.authenticate(head);
    if (auto* refusal = std::get_if<transport::Refusal>(&verdict); refusal != nullptr && refusal->status == 401) {
      refusal->www_authenticate = challenge("invalid_token", "");
    }
    return verdict;
  }
  if (token.empty()) return transport::Refusal{401, challenge("", ""), "an access token is wanted"};
  const Result<TokenHeader> header = parse_token_header(token);
  if (!header.ok()) return transport::Refusal{401, challenge("invalid_token", ""), "the access token is not valid"};
  const Result<Json> claims = keys_for(*header)->verify(token);
  if (!claims.ok()) return transport::Refusal{401, challenge("invalid_token", ""), "the access token is not valid"};
  // Only what our own authorization server has signed is told what is wrong with it.
  Result<jsonrpc::Caller> caller = caller_of(*claims, options_.expected, options_.now());
  if (!caller.ok()) {
    return transport::Refusal{401, challenge("invalid_token", caller.error().message), caller.error().message};
  }
  if (caller->grants.empty()) {
    return transport::Refusal{403, challenge("insufficient_scope", "a scope of khipu is wanted"),
                              "the token has no scope of khipu"};
  }
  return *std::move(caller);
}

std::vector<transport::GetRoute> OAuthAuthenticator::routes() const {
  const auto answer = [text = metadata_](const transport::RequestHead&) {
    transport::GetRoute::Answer given;
    given.body = text;
    given.cache_control = "max-age=300";
    return given;
  };
  std::vector<transport::GetRoute> routes{{std::string(kWellKnown), answer}};
  if (metadata_path_ != kWellKnown) routes.push_back({metadata_path_, answer});
  return routes;
}

}  // namespace khipu::mcp::auth
