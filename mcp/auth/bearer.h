// Who calls over HTTP: the bearer tokens of `khipu token` (engine/auth) as callers. Not here: where tokens are kept,
// what a grant allows (mcp/tools).
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "engine/auth/tokens.h"
#include "mcp/transport/authenticator.h"

namespace khipu::mcp::auth {

// The caller that a token stands for; its grant `ingest` is nothing to a reader.
jsonrpc::Caller caller_of(const khipu::auth::Token& token);
// The token of an Authorization header; empty when there is not exactly one well-formed one. A token in the query
// string never counts.
std::string bearer_token(const transport::RequestHead& head);

// Any thread.
class BearerAuthenticator final : public transport::Authenticator {
 public:
  using Now = std::function<TimeUs()>;
  BearerAuthenticator(std::shared_ptr<const khipu::auth::Tokens> tokens, Now now)
      : now_(std::move(now)), tokens_(std::move(tokens)) {}
  // Unknown, expired and missing tokens look the same.
  std::variant<jsonrpc::Caller, transport::Refusal> authenticate(const transport::RequestHead& head) override;
  // From the next request on; a token that is gone is refused then, whatever session it belongs to.
  void set_tokens(std::shared_ptr<const khipu::auth::Tokens> tokens);

 private:
  const Now now_;
  std::mutex mutex_;
  std::shared_ptr<const khipu::auth::Tokens> tokens_;  // guarded by mutex_
};

}  // namespace khipu::mcp::auth
