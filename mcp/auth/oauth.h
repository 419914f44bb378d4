// khipu-mcp as an OAuth 2.1 resource server: metadata for clients (RFC 9728), access tokens of one authorization server
// for one audience, beside the tokens of `khipu token`. Not here: signatures (key_set.h), claims (access_token.h),
// where the keys lie: `read_keys` is a file, or an address (mcp/transport/fetch.h).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "mcp/auth/access_token.h"
#include "mcp/auth/bearer.h"
#include "mcp/auth/key_set.h"
#include "mcp/transport/authenticator.h"

namespace khipu::mcp::auth {

struct OAuthOptions {
  Expected expected;
  std::function<Result<std::string>()> read_keys;  // the key set as text; may block for seconds
  bool is_remote = false;                          // read again when a key is unknown or the keys are old
  BearerAuthenticator::Now now;
  std::function<void(std::string_view)> log = [](std::string_view) {};  // never a token
};

// Any thread. Outlived by `bearer`, which gets every token that begins as ours do.
class OAuthAuthenticator final : public transport::Authenticator {
 public:
  // Fails when the keys cannot be read: nobody could call.
  static Result<std::unique_ptr<OAuthAuthenticator>> open(OAuthOptions options, transport::Authenticator& bearer);
  std::variant<jsonrpc::Caller, transport::Refusal> authenticate(const transport::RequestHead& head) override;
  // At once, whatever the rate. On error the old keys stay.
  Result<void> reload();
  // The metadata document, at the paths clients look for it: RFC 9728 section 3.1, and without the endpoint's path.
  std::vector<transport::GetRoute> routes() const;

 private:
  OAuthAuthenticator(OAuthOptions options, transport::Authenticator& bearer);
  std::shared_ptr<const KeySet> keys() const;
  std::shared_ptr<const KeySet> keys_for(const TokenHeader& header);
  std::string challenge(std::string_view error, std::string_view description) const;

  const OAuthOptions options_;
  transport::Authenticator& bearer_;
  std::string metadata_path_, metadata_url_, metadata_;
  std::mutex reading_;        // held while the keys are read: one thread at a time
  mutable std::mutex mutex_;  // guards the two below
  std::shared_ptr<const KeySet> keys_;
  TimeUs asked_at_ = 0;  // when the keys were last asked for, successfully or not
};

}  // namespace khipu::mcp::auth
