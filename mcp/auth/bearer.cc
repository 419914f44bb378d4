#include "mcp/auth/bearer.h"

namespace khipu::mcp::auth {

jsonrpc::Caller caller_of(const khipu::auth::Token& token) {
  jsonrpc::Caller caller;
  caller.id = "token:" + token.name;
  for (const khipu::auth::Grant grant : token.grants) {
    if (grant != khipu::auth::Grant::kIngest) caller.grants.emplace_back(name(grant));
  }
  caller.scope.types = token.types;
  caller.scope.sources = token.sources;
  return caller;
}

std::string bearer_token(const transport::RequestHead& head) {
  if (head.header_count("Authorization") != 1) return {};
  return std::string(khipu::auth::bearer_token(head.header("Authorization")));
}

std::variant<jsonrpc::Caller, transport::Refusal> BearerAuthenticator::authenticate(
    const transport::RequestHead& head) {
  std::shared_ptr<const khipu::auth::Tokens> tokens;
  {
    const std::lock_guard lock(mutex_);
    tokens = tokens_;
  }
  const khipu::auth::Token* token = tokens->find(bearer_token(head), now_());
  if (token == nullptr) {
    return transport::Refusal{401, "Bearer realm=\"khipu\"", "a valid bearer token is wanted: khipu token add"};
  }
  jsonrpc::Caller caller = caller_of(*token);
  if (caller.grants.empty()) {
    return transport::Refusal{403, "Bearer realm=\"khipu\", error=\"insufficient_scope\"",
                              "the token has no grant of a reader"};
  }
  return caller;
}

void BearerAuthenticator::set_tokens(std::shared_ptr<const khipu::auth::Tokens> tokens) {
  const std::lock_guard lock(mutex_);
  tokens_ = std::move(tokens);
}

}  // namespace khipu::mcp::auth
