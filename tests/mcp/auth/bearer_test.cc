#include "mcp/auth/bearer.h"

#include <map>

#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_random.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
namespace transport = khipu::mcp::transport;
namespace jsonrpc = khipu::mcp::jsonrpc;

namespace {

class Head final : public transport::RequestHead {
 public:
  explicit Head(std::vector<std::string> authorization) : authorization_(std::move(authorization)) {}
  std::string_view method() const override { return "POST"; }
  std::string_view path() const override { return "/mcp"; }
  std::string_view address() const override { return "192.0.2.7"; }
  bool is_tls() const override { return true; }
  size_t header_count(const std::string& name) const override {
    return name == "Authorization" ? authorization_.size() : 0;
  }
  std::string header(const std::string& name) const override {
    return header_count(name) == 0 ? "" : authorization_.front();
  }

 private:
  std::vector<std::string> authorization_;
};

struct Desk {
  khipu::tests::TempDirectory folder;
  std::unique_ptr<os::Directory> keys = std::move(os::open_directory(folder.path())).value();
  khipu::tests::FakeRandom random;
  khipu::tests::FakeClock clock;

  std::string mint(const std::string& name, std::vector<khipu::auth::Grant> grants,
                   std::optional<TimeUs> expires = std::nullopt) {
    khipu::auth::Token token;
    token.name = name;
    token.grants = std::move(grants);
    token.expires = expires;
    token.types = {"user"};
    token.sources = {"billing"};
    return khipu::auth::mint(*keys, random, clock.now(), std::move(token)).value();
  }
  std::shared_ptr<const khipu::auth::Tokens> tokens() const {
    return std::make_shared<const khipu::auth::Tokens>(khipu::auth::load_tokens(*keys).value());
  }
  // The caller's id, or the status of the refusal.
  static std::string ask(mcp::auth::BearerAuthenticator& authenticator, std::vector<std::string> headers) {
    const auto answer = authenticator.authenticate(Head(std::move(headers)));
    if (const auto* refusal = std::get_if<transport::Refusal>(&answer)) return std::to_string(refusal->status);
    return std::get<jsonrpc::Caller>(answer).id;
  }
};

}  // namespace

TEST_CASE("bearer: a reader's token is a caller with its grants and scope, and ingest is nothing to it") {
  Desk desk;
  const std::string text =
      desk.mint("auditor", {khipu::auth::Grant::kIngest, khipu::auth::Grant::kQuery, khipu::auth::Grant::kAccessLog});
  mcp::auth::BearerAuthenticator authenticator(desk.tokens(), [&] { return desk.clock.now(); });
  const auto answer = authenticator.authenticate(Head({"Bearer " + text}));
  const auto* caller = std::get_if<jsonrpc::Caller>(&answer);
  REQUIRE(caller != nullptr);
  CHECK(caller->id == "token:auditor");
  CHECK(caller->grants == std::vector<std::string>{"query", "access_log"});
  CHECK(caller->scope.types == std::vector<std::string>{"user"});
  CHECK(caller->scope.sources == std::vector<std::string>{"billing"});
  CHECK(Desk::ask(authenticator, {"bearer " + text}) == "token:auditor");
}

TEST_CASE("bearer: missing, doubled, cut, expired and unknown tokens look the same, a producer's is 403") {
  Desk desk;
  const std::string text = desk.mint("auditor", {khipu::auth::Grant::kQuery}, desk.clock.now() + 1000);
  const std::string producer = desk.mint("billing", {khipu::auth::Grant::kIngest});
  TimeUs now = desk.clock.now();
  mcp::auth::BearerAuthenticator authenticator(desk.tokens(), [&] { return now; });
  CHECK(Desk::ask(authenticator, {}) == "401");
  CHECK(Desk::ask(authenticator, {"Bearer " + text, "Bearer " + text}) == "401");
  CHECK(Desk::ask(authenticator, {"Bearer " + text.substr(1)}) == "401");
  CHECK(Desk::ask(authenticator, {"Bearer  " + text}) == "401");
  CHECK(Desk::ask(authenticator, {"Basic " + text}) == "401");
  CHECK(Desk::ask(authenticator, {"Bearer " + text}) == "token:auditor");
  CHECK(Desk::ask(authenticator, {"Bearer " + producer}) == "403");
  now += 1000;
  CHECK(Desk::ask(authenticator, {"Bearer " + text}) == "401");
}

TEST_CASE("bearer: a revoked token is refused from the reload on") {
  Desk desk;
  const std::string text = desk.mint("auditor", {khipu::auth::Grant::kQuery});
  mcp::auth::BearerAuthenticator authenticator(desk.tokens(), [&] { return desk.clock.now(); });
  REQUIRE(Desk::ask(authenticator, {"Bearer " + text}) == "token:auditor");
  REQUIRE(khipu::auth::revoke(*desk.keys, "auditor").ok());
  authenticator.set_tokens(desk.tokens());
  CHECK(Desk::ask(authenticator, {"Bearer " + text}) == "401");
}
