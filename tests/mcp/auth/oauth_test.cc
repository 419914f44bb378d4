// The resource server of mcp/auth against tokens signed here, by the same library in the authorization server's place.
#include "mcp/auth/oauth.h"

#include <rhonabwy.h>

#include "tests/support/catch.h"

using namespace khipu;
using khipu::mcp::Json;
using khipu::mcp::auth::KeySet;
namespace transport = khipu::mcp::transport;
namespace jsonrpc = khipu::mcp::jsonrpc;

namespace {

constexpr TimeUs kNow = 1'780'000'000'000'000;
constexpr int64_t kNowSeconds = kNow / 1'000'000;
const std::string kIssuer = "https://login.example.org/";
const std::string kResource = "https://audit.example.org/mcp";

std::string taken(char* text) {
  REQUIRE(text != nullptr);
  std::string copy(text);
  r_free(text);
  return copy;
}

// A key pair of the authorization server.
class Signer {
 public:
  Signer(std::string id, std::string algorithm, int kind, unsigned bits) : id_(std::move(id)), algorithm_(algorithm) {
    jwk_t* open = nullptr;
    REQUIRE(r_global_init() == RHN_OK);
    REQUIRE(r_jwk_init(&secret_) == RHN_OK);
    REQUIRE(r_jwk_init(&open) == RHN_OK);
    REQUIRE(r_jwk_generate_key_pair(secret_, open, kind, bits, id_.c_str()) == RHN_OK);
    public_ = Json::parse(taken(r_jwk_export_to_json_str(open, 0)));
    r_jwk_free(open);
  }
  ~Signer() { r_jwk_free(secret_); }
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  const Json& public_key() const { return public_; }
  Json secret_key() const { return Json::parse(taken(r_jwk_export_to_json_str(secret_, 0))); }
  std::string sign(const Json& claims, const Json& header = {{"typ", "at+jwt"}}) const {
    return sign_text(claims.dump(), header, algorithm_, secret_);
  }
  std::string sign_text(const std::string& payload, const Json& header, const std::string& algorithm,
                        jwk_t* with) const {
    jws_t* made = nullptr;
    REQUIRE(r_jws_init(&made) == RHN_OK);
    Json whole = header;
    if (!whole.contains("kid")) whole["kid"] = id_;
    REQUIRE(r_jws_set_full_header_json_str(made, whole.dump().c_str()) == RHN_OK);
    REQUIRE(r_jws_set_alg(made, r_str_to_jwa_alg(algorithm.c_str())) == RHN_OK);
    REQUIRE(r_jws_set_payload(made, reinterpret_cast<const unsigned char*>(payload.data()), payload.size()) == RHN_OK);
    char* text = r_jws_serialize(made, with, 0);
    r_jws_free(made);
    return taken(text);
  }

 private:
  const std::string id_, algorithm_;
  jwk_t* secret_ = nullptr;
  Json public_;
};

const Signer& rsa() {
  static const Signer signer("rsa-1", "RS256", R_KEY_TYPE_RSA, 2048);
  return signer;
}
const Signer& ec() {
  static const Signer signer("ec-1", "ES256", R_KEY_TYPE_EC, 256);
  return signer;
}
const Signer& ed() {
  static const Signer signer("ed-1", "EdDSA", R_KEY_TYPE_EDDSA, 256);
  return signer;
}

std::string key_set(const std::vector<Json>& keys) { return Json{{"keys", keys}}.dump(); }

Json good_claims() {
  return {{"iss", kIssuer},     {"aud", kResource},
          {"sub", "alice"},     {"exp", kNowSeconds + 600},
          {"iat", kNowSeconds}, {"scope", "openid khipu:query khipu:access_log khipu:ingest"}};
}
Json with(const char* name, const Json& value) {
  Json claims = good_claims();
  claims[name] = value;
  return claims;
}
Json without(const char* name) {
  Json claims = good_claims();
  claims.erase(name);
  return claims;
}

class Head final : public transport::RequestHead {
 public:
  explicit Head(std::string authorization) : authorization_(std::move(authorization)) {}
  std::string_view method() const override { return "POST"; }
  std::string_view path() const override { return "/mcp"; }
  std::string_view address() const override { return "192.0.2.7"; }
  bool is_tls() const override { return true; }
  size_t header_count(const std::string& name) const override {
    return name == "Authorization" && !authorization_.empty() ? 1 : 0;
  }
  std::string header(const std::string& name) const override { return header_count(name) == 0 ? "" : authorization_; }

 private:
  std::string authorization_;
};

// The resource server, its authorization server's keys in our hands.
struct Site {
  std::string keys = key_set({rsa().public_key(), ec().public_key(), ed().public_key()});
  bool is_down = false;
  int reads = 0;
  TimeUs now = kNow;
  mcp::auth::BearerAuthenticator bearer{std::make_shared<const khipu::auth::Tokens>(), [this] { return now; }};
  std::unique_ptr<mcp::auth::OAuthAuthenticator> oauth;

  explicit Site(bool is_remote = false) {
    mcp::auth::OAuthOptions options;
    options.expected = {kIssuer, kResource};
    options.now = [this] { return now; };
    options.is_remote = is_remote;
    options.read_keys = [this]() -> Result<std::string> {
      ++reads;
      if (is_down) return Error{Code::kIo, "login.example.org does not answer"};
      return keys;
    };
    oauth = mcp::auth::OAuthAuthenticator::open(std::move(options), bearer).value();
  }
  std::variant<jsonrpc::Caller, transport::Refusal> ask(const std::string& token) {
    return oauth->authenticate(Head(token.empty() ? "" : "Bearer " + token));
  }
  // The caller's id, or the status of the refusal.
  std::string outcome(const std::string& token) {
    const auto verdict = ask(token);
    if (const auto* refusal = std::get_if<transport::Refusal>(&verdict)) return std::to_string(refusal->status);
    return std::get<jsonrpc::Caller>(verdict).id;
  }
};

std::string base64url(const std::string& text) {
  std::string out = base64({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

}  // namespace

TEST_CASE("oauth: tokens signed with RS256, ES256 and EdDSA are callers with the grants of their scopes") {
  Site site;
  for (const Signer* signer : {&rsa(), &ec(), &ed()}) {
    const auto verdict = site.ask(signer->sign(good_claims()));
    const auto* caller = std::get_if<jsonrpc::Caller>(&verdict);
    REQUIRE(caller != nullptr);
    CHECK(caller->id == "oauth:alice");
    CHECK(caller->grants == std::vector<std::string>{"query", "access_log"});  // ingest is nothing to a reader
    CHECK(caller->scope.is_everything());
  }
  CHECK(site.outcome(rsa().sign(good_claims(), {{"typ", "JWT"}})) == "oauth:alice");
  CHECK(site.outcome(rsa().sign(good_claims(), Json::object())) == "oauth:alice");
}

TEST_CASE("oauth: the claims khipu_types and khipu_sources limit what is seen, and malformed ones refuse the token") {
  Site site;
  Json claims = with("khipu_types", {"user", "service", "user"});
  claims["khipu_sources"] = {"billing"};
  const auto verdict = site.ask(ec().sign(claims));
  const auto* caller = std::get_if<jsonrpc::Caller>(&verdict);
  REQUIRE(caller != nullptr);
  CHECK(caller->scope.types == std::vector<std::string>{"service", "user"});
  CHECK(caller->scope.sources == std::vector<std::string>{"billing"});
  for (const Json& wrong : {Json::array(), Json("user"), Json(nullptr), Json{"user", 1}, Json{"user", ""}}) {
    CAPTURE(wrong.dump());
    CHECK(site.outcome(ec().sign(with("khipu_types", wrong))) == "401");
    CHECK(site.outcome(ec().sign(with("khipu_sources", wrong))) == "401");
  }
}

TEST_CASE("oauth: every claim that is wrong or missing is refused") {
  Site site;
  const std::vector<std::pair<Json, const char*>> wrong = {
      {with("iss", "https://login.example.org"), "issuer without its slash"},
      {with("iss", Json{kIssuer}), "issuer in a list"},
      {without("iss"), "no issuer"},
      {with("aud", "https://audit.example.org/other"), "audience"},
      {with("aud", "https://audit.example.org.evil.example/mcp"), "audience with a longer host"},
      {with("aud", Json::array()), "no audience in the list"},
      {with("aud", 7), "audience is a number"},
      {without("aud"), "no audience"},
      {with("exp", kNowSeconds - 30), "expired"},
      {with("exp", std::to_string(kNowSeconds + 600)), "expiry is a text"},
      {with("exp", -1), "expiry before 1970"},
      {with("exp", 1e300), "expiry beyond all time"},
      {with("exp", nullptr), "expiry is null"},
      {without("exp"), "no expiry"},
      {with("nbf", kNowSeconds + 31), "not valid yet"},
      {with("nbf", true), "nbf is true"},
      {with("iat", "now"), "iat is a text"},
      {without("sub"), "no subject"},
      {with("sub", ""), "empty subject"},
      {with("sub", "a\u001b[31m"), "subject with an escape"},
      {with("sub", std::string(129, 'a')), "long subject"},
      {with("scope", Json{"khipu:query"}), "scope is a list"},
  };
  for (const auto& [claims, what] : wrong) {
    CAPTURE(what);
    CHECK(site.outcome(ec().sign(claims)) == "401");
  }
  CHECK(site.outcome(ec().sign(with("exp", kNowSeconds - 29))) == "oauth:alice");  // clocks differ
  CHECK(site.outcome(ec().sign(with("nbf", kNowSeconds + 29))) == "oauth:alice");
  CHECK(site.outcome(ec().sign(with("aud", {"https://other.example", "HTTPS://Audit.Example.org/mcp/"}))) ==
        "oauth:alice");
}

TEST_CASE("oauth: no token passes by another algorithm than its key's, or by none") {
  Site site;
  const std::string header = base64url(R"({"alg":"none","typ":"at+jwt","kid":"ec-1"})");
  const std::string body = base64url(good_claims().dump());
  for (const std::string& token : {header + "." + body + ".", header + "." + body, header + "." + body + ".AAAA"}) {
    CHECK(site.outcome(token) == "401");
  }
  // HMAC, keyed with the public key's own text.
  for (const std::string& secret : {rsa().public_key().dump(), rsa().public_key().at("n").get<std::string>()}) {
    jwk_t* symmetric = nullptr;
    REQUIRE(r_jwk_init(&symmetric) == RHN_OK);
    REQUIRE(r_jwk_import_from_symmetric_key(symmetric, reinterpret_cast<const unsigned char*>(secret.data()),
                                            secret.size()) == RHN_OK);
    const std::string token = rsa().sign_text(good_claims().dump(), {{"typ", "at+jwt"}}, "HS256", symmetric);
    r_jwk_free(symmetric);
    CHECK(site.outcome(token) == "401");
  }
  // The right key under another's name, another key under the right name.
  CHECK(site.outcome(ec().sign(good_claims(), {{"kid", "rsa-1"}})) == "401");
  const Signer stranger("ec-1", "ES256", R_KEY_TYPE_EC, 256);
  CHECK(site.outcome(stranger.sign(good_claims())) == "401");
}

TEST_CASE("oauth: a token brings no key, no address of one, no compression and nothing critical") {
  Site site;
  const Signer stranger("own", "ES256", R_KEY_TYPE_EC, 256);
  CHECK(site.outcome(stranger.sign(good_claims(), {{"jwk", stranger.public_key()}})) == "401");
  CHECK(site.outcome(stranger.sign(good_claims(), {{"jwk", stranger.public_key()}, {"kid", "ec-1"}})) == "401");
  for (const Json& extra :
       {Json{{"jku", "https://evil.example/keys"}}, Json{{"x5u", "https://evil.example/c"}}, Json{{"x5c", {"AAAA"}}},
        Json{{"crit", {"b64"}}}, Json{{"typ", "dpop+jwt"}}, Json{{"typ", 1}}}) {
    CAPTURE(extra.dump());
    CHECK(site.outcome(ec().sign(good_claims(), extra)) == "401");
  }
  for (const char* header :
       {R"({"alg":"ES256","zip":"DEF"})", R"({"alg":"ES256","kid":7})", R"({"alg":"ES256","kid":""})",
        R"({"alg":"ES256","alg":"none"})", R"(["ES256"])", "", "{"}) {
    CAPTURE(header);
    CHECK_FALSE(mcp::auth::parse_token_header(base64url(header) + ".AAAA.AAAA").ok());
  }
}

TEST_CASE("oauth: every truncation and every changed character of a token is refused") {
  Site site;
  const std::string token = ed().sign(good_claims());
  REQUIRE(site.outcome(token) == "oauth:alice");
  for (size_t size = 1; size < token.size(); size += 7) CHECK(site.outcome(token.substr(0, size)) == "401");
  for (size_t i = 0; i < token.size(); i += 5) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    // The last digit of a part carries bits that mean nothing; a strict reader refuses them, and a changed one is no
    // gain.
    if (site.outcome(changed) != "401") CHECK(i + 1 == token.size());
  }
  for (const std::string& wrong : std::vector<std::string>{"", ".", "..", "...", "a.b.c", "a..c", " ", "khp", "\n",
                                                           token + ".", token + "=", token + token}) {
    CHECK(site.outcome(wrong) == "401");
  }
  CHECK(site.outcome(std::string(9000, 'A') + ".A.A") == "401");
}

TEST_CASE("oauth: refusals name the metadata, and a token without a scope of ours is 403") {
  Site site;
  const auto challenge = [&](const std::string& token) {
    const auto verdict = site.ask(token);
    return std::get<transport::Refusal>(verdict).www_authenticate;
  };
  const std::string metadata =
      R"(scope="khipu:query", resource_metadata="https://audit.example.org/.well-known/oauth-protected-resource/mcp")";
  CHECK(challenge("") == "Bearer realm=\"khipu\", " + metadata);
  CHECK(challenge("a.b.c") == "Bearer realm=\"khipu\", error=\"invalid_token\", " + metadata);
  CHECK(challenge("khp_unknown") == "Bearer realm=\"khipu\", error=\"invalid_token\", " + metadata);
  const std::string poor = ec().sign(with("scope", "openid khipu:queries xkhipu:query khipu:ingest"));
  CHECK(site.outcome(poor) == "403");
  CHECK(challenge(poor) ==
        "Bearer realm=\"khipu\", error=\"insufficient_scope\", error_description=\"a scope of khipu is "
        "wanted\", " +
            metadata);
  CHECK(site.outcome(ec().sign(without("scope"))) == "403");
}

TEST_CASE("oauth: the metadata is where RFC 9728 has clients look") {
  Site site;
  std::vector<std::string> paths;
  for (const transport::GetRoute& route : site.oauth->routes()) {
    paths.push_back(route.path);
    const Json metadata = Json::parse(route.answer(Head("")).body);
    CHECK(metadata.at("resource") == kResource);
    CHECK(metadata.at("authorization_servers") == Json{kIssuer});
    CHECK(metadata.at("scopes_supported") ==
          Json{"khipu:query", "khipu:reveal", "khipu:prove", "khipu:verify", "khipu:access_log"});
    CHECK(metadata.at("bearer_methods_supported") == Json{"header"});
  }
  CHECK(paths ==
        std::vector<std::string>{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"});
}

TEST_CASE("oauth: new keys are in force from the reload on, and keys that cannot be read leave the old ones") {
  Site site;
  const Signer next("ec-2", "ES256", R_KEY_TYPE_EC, 256);
  site.keys = key_set({next.public_key()});
  CHECK(site.outcome(next.sign(good_claims())) == "401");
  CHECK(site.reads == 1);  // a file is read when we are told to
  REQUIRE(site.oauth->reload().ok());
  CHECK(site.outcome(next.sign(good_claims())) == "oauth:alice");
  CHECK(site.outcome(ec().sign(good_claims())) == "401");
  site.keys = "{";
  CHECK_FALSE(site.oauth->reload().ok());
  CHECK(site.outcome(next.sign(good_claims())) == "oauth:alice");
}

TEST_CASE("oauth: keys at an address are asked for when one is unknown, once a minute, and when they are old") {
  Site site(true);
  const Signer next("ec-2", "ES256", R_KEY_TYPE_EC, 256);
  site.keys = key_set({ec().public_key(), next.public_key()});
  for (int i = 0; i < 5; ++i) CHECK(site.outcome(next.sign(good_claims())) == "401");
  CHECK(site.reads == 1);  // asked for a moment ago
  site.now += 60'000'000;
  CHECK(site.outcome(next.sign(good_claims())) == "oauth:alice");
  CHECK(site.reads == 2);
  site.now += 60'000'000;
  site.is_down = true;
  for (int i = 0; i < 5; ++i) CHECK(site.outcome(rsa().sign(good_claims())) == "401");
  CHECK(site.reads == 3);
  CHECK(site.outcome(next.sign(good_claims())) == "oauth:alice");
  CHECK(site.reads == 3);
  site.is_down = false;
  site.keys = key_set({next.public_key()});  // ec-1 was taken back
  site.now += 900'000'000;
  Json later = good_claims();
  later["exp"] = kNowSeconds + 100'000;
  CHECK(site.outcome(ec().sign(later)) == "401");
  CHECK(site.reads == 4);
}

TEST_CASE("oauth: a key set with a secret, a weak or a broken key is refused") {
  CHECK(KeySet::parse(key_set({rsa().public_key()})).ok());
  CHECK_FALSE(KeySet::parse(key_set({rsa().secret_key()})).ok());
  CHECK_FALSE(KeySet::parse(key_set({ec().public_key(), {{"kty", "oct"}, {"k", "c2VjcmV0"}}})).ok());
  CHECK_FALSE(KeySet::parse(key_set({})).ok());
  CHECK_FALSE(KeySet::parse("{}").ok());
  CHECK_FALSE(KeySet::parse("[]").ok());
  CHECK_FALSE(KeySet::parse(R"({"keys":[1]})").ok());
  CHECK_FALSE(KeySet::parse(R"({"keys":[],"keys":[]})").ok());
  const Signer weak("weak", "RS256", R_KEY_TYPE_RSA, 1024);
  CHECK_FALSE(KeySet::parse(key_set({weak.public_key()})).ok());
  Json encrypting = rsa().public_key();
  encrypting["use"] = "enc";
  CHECK_FALSE(KeySet::parse(key_set({encrypting})).ok());
  Json cut = ec().public_key();
  cut.erase("y");
  CHECK_FALSE(KeySet::parse(key_set({cut})).ok());
  Json pinned = rsa().public_key();  // to PS256
  pinned["alg"] = "PS256";
  const KeySet set = KeySet::parse(key_set({pinned})).value();
  CHECK_FALSE(set.verify(rsa().sign(good_claims())).ok());
}

TEST_CASE("oauth: an address is canonical or none") {
  CHECK(mcp::auth::canonical_uri("HTTPS://Audit.Example.org/MCP/").value() == "https://audit.example.org/MCP");
  CHECK(mcp::auth::canonical_uri("http://127.0.0.1:8080/mcp").ok());
  for (const char* wrong :
       {"", "audit.example.org", "http://audit.example.org/mcp", "https://", "https:///mcp", "https://a@b/mcp",
        "https://a/mcp?x=1", "https://a/mcp#f", "ftp://a/", "https://a/\nb", "http://localhost.evil.example/mcp"}) {
    CAPTURE(wrong);
    CHECK_FALSE(mcp::auth::canonical_uri(wrong).ok());
  }
}
