#include "mcp/tools/secrets.h"

#include <string>

#include "tests/support/catch.h"

using namespace khipu::mcp::tools;

namespace {

std::string masked(std::string_view raw) {
  std::string text;
  size_t at = 0;
  for (const Span& span : find_secrets(raw)) {
    REQUIRE(at <= span.begin);
    REQUIRE(span.begin < span.end);
    REQUIRE(span.end <= raw.size());
    text += std::string(raw.substr(at, span.begin - at)) + "*";
    at = span.end;
  }
  return text + std::string(raw.substr(at));
}

}  // namespace

TEST_CASE("secrets: known shapes are found, and what is around them stays") {
  const std::string tail(36, 'x');
  CHECK(masked("key AKIAIOSFODNN7EXAMPLE used") == "key * used");
  CHECK(masked("push with ghp_" + tail + ".") == "push with *.");
  CHECK(masked("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl!") == "*!");
  CHECK(masked("Authorization: Bearer abcdefgh12345") == "Authorization: Bearer *");
  CHECK(masked("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- end") == "* end");
  CHECK(masked("postgres://app:s3cret@db/x") == "postgres://app:*@db/x");
}

TEST_CASE("secrets: assignments are found in every common notation") {
  CHECK(masked("password=hunter2&user=bob") == "password=*&user=bob");
  CHECK(masked(R"({"password": "hunter2, really", "user": "bob"})") == R"({"password": "*", "user": "bob"})");
  CHECK(masked("db_password: hunter2") == "db_password: *");
  CHECK(masked("Client_Secret='x y'") == "Client_Secret='*'");
  CHECK(masked("a=1 token=t1 token=t2") == "a=1 token=* token=*");
}

TEST_CASE("secrets: ordinary text has none") {
  for (const char* text : {"", "password reset by alice", "tokenizer=fast", "https://example.org/a", "sk-short",
                           "eyJ.x.y", "a:b@c", "secretary: none", "basic auth"}) {
    INFO(text);
    CHECK(masked(text) == text);
  }
}

TEST_CASE("secrets: names of secret fields") {
  for (const char* name :
       {"password", "db_password", "X-Api-Key", "clientSecret", "access_token", "Cookie", "set-cookie"}) {
    CHECK(is_secret_name(name));
  }
  for (const char* name : {"name", "token_count", "reason", "passenger", ""}) CHECK_FALSE(is_secret_name(name));
}

TEST_CASE("secrets: what a field of that name would hide is hidden behind the same name in text") {
  CHECK(masked(R"({"access_key_id": "LTAI4value"})") == R"({"access_key_id": "*"})");
  CHECK(masked(R"({"accessKeyId":"LTAI4value"})") == R"({"accessKeyId":"*"})");
  CHECK(masked("aws_access_key_id=LTAI4value next") == "aws_access_key_id=* next");
  CHECK(masked("accessKeyId: LTAI4value") == "accessKeyId: *");
  CHECK(masked(R"({"authorization":"Bearer abcdefgh12345"})") == R"({"authorization":"Bearer *"})");
  CHECK(masked(R"("sessionToken":"FwoGZX")") == R"("sessionToken":"*")");
  // Names that stand before something else than a value.
  for (const char* text : {R"({"credentials":{"expiration":"x"}})", R"("authorizationInfo":[1])",
                           "arn:aws:secretsmanager:us-east-1:111122223333:thing"}) {
    CHECK(masked(text) == text);
  }
}

TEST_CASE("secrets: known values are found wherever they stand, once, and short ones are not") {
  const auto spans = find_secrets("a=LTAIvalue password=LTAIvalue-and-more xy", {"LTAIvalue", "xy"});
  REQUIRE(spans.size() == 2);
  CHECK((spans[0].begin == 2 && spans[0].end == 11));
  CHECK((spans[1].begin == 21 && spans[1].end == 39));
}

TEST_CASE("secrets: known values are found however JSON strings escape them, and where they stand") {
  const auto masked = [](std::string_view raw, const std::string& value) {
    std::string text(raw);
    const auto spans = find_secrets(raw, {value});
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
      REQUIRE(span->begin < span->end);
      REQUIRE(span->end <= raw.size());
      text.replace(span->begin, span->end - span->begin, "*");
    }
    return text;
  };
  const std::string value = "a/b\"\\\n\xC3\xA4\xF0\x9F\x98\x80z";
  CHECK(masked(R"(x a\/b\"\\\n\u00e4\ud83d\uDE00z y)", value) == "x * y");
  CHECK(masked("x a/\\u0062\\\"\\u005c\\u000A\xC3\xA4\\uD83D\\ude00\\u007a\\ty", value) == "x *\\ty");
  CHECK(masked(R"({"body":"{\"k\":\"se\\\"cret-1\"}","n":"se\"cret-1"})", "se\"cret-1") ==
        R"({"body":"{\"k\":\"*\"}","n":"*"})");
  CHECK(masked(R"(secret-1 and \secret-1 and s\u0065cret-1)", "secret-1") == R"(* and \* and *)");
  CHECK(masked(R"(\b\f\r\t-secret \u00zz-secret \ud83d-secret \ude00 \)", "\b\f\r\t-secret") ==
        R"(* \u00zz-secret \ud83d-secret \ude00 \)");
  // A value that begins in the middle of a character takes the whole escape with it.
  CHECK(masked(R"(\u00e4secret!)", "\xA4secret") == "*!");
}

TEST_CASE("secrets: a text of nothing but spaces, quotes or beginnings of a value is looked through once") {
  constexpr size_t kSize = 1 << 20;  // once from each byte would take some ten minutes
  for (const char c : {' ', '\\', '"', ':'}) CHECK(find_secrets(std::string(kSize, c)).empty());
  const std::string value = std::string(1 << 16, 'a') + "b";
  CHECK(find_secrets(std::string(kSize, 'a'), {value}).empty());
  CHECK(find_secrets(std::string(kSize, 'a') + "b", {value}).size() == 1);
}
