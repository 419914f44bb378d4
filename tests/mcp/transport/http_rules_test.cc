// Headers of strangers: names, origins, types; and events.
#include "mcp/transport/http_rules.h"

#include "mcp/transport/exchange.h"
#include "mcp/transport/sse.h"
#include "tests/support/catch.h"

using namespace khipu::mcp::transport;
using khipu::mcp::jsonrpc::Head;

TEST_CASE("rules: a host is a name with or without a port") {
  CHECK(host_name("LocalHost:80") == "localhost");
  CHECK(host_name("[::1]:8080") == "::1");
  CHECK(host_name("127.0.0.1") == "127.0.0.1");
  for (const char* host : {"", ":80", "a:", "a:b", "a:123456", "[::1", "[::1]x", "a b", "a/b", "evil.com@localhost",
                           "localhost:80:80", "[evil]"}) {
    INFO(host);
    CHECK_FALSE(host_name(host).has_value());
  }
}

TEST_CASE("rules: local origins only where they were asked for, others by their exact text") {
  HostRules rules;
  rules.origins = {"https://app.example.org"};
  CHECK(allows_origin(rules, "https://app.example.org"));
  CHECK_FALSE(allows_origin(rules, "https://app.example.org.evil.com"));
  CHECK_FALSE(allows_origin(rules, "http://localhost:1234"));
  rules.takes_local_origins = true;
  CHECK(allows_origin(rules, "http://localhost:1234"));
  CHECK(allows_origin(rules, "https://[::1]"));
  for (const char* origin : {"null", "", "http://localhost.evil.com", "http://127.0.0.1.evil.com", "file://localhost",
                             "http://evil.com@localhost", "http://127.evil.com"}) {
    INFO(origin);
    CHECK_FALSE(allows_origin(rules, origin));
  }
}

TEST_CASE("rules: a stream must be named, JSON need not be") {
  CHECK((parse_accept("").json && !parse_accept("").stream));
  CHECK((parse_accept("*/*").json && !parse_accept("*/*").stream));
  CHECK((parse_accept("application/json;q=0.9 , Text/Event-Stream").json &&
         parse_accept("application/json, Text/Event-Stream;x=1").stream));
  CHECK_FALSE((parse_accept("image/png").json || parse_accept("image/png").stream));
  CHECK(is_json_type("Application/JSON; charset=utf-8"));
  CHECK_FALSE(is_json_type("application/json5"));
}

TEST_CASE("rules: an event has one data line for each line, whatever ends it") {
  CHECK(sse_event("{}") == "data: {}\n\n");
  CHECK(sse_event("a\nb\r\nc\rd") == "data: a\ndata: b\ndata: c\ndata: d\n\n");
  CHECK(sse_event("") == "data: \n\n");
}

TEST_CASE("exchange: a queue nobody reads is given up, not grown") {
  const auto exchange = Exchange::create(true, 100);
  exchange->notify(std::string(50, 'x'));
  CHECK_FALSE(exchange->take_events(std::chrono::milliseconds(0)).broken);
  exchange->notify(std::string(60, 'x'));
  exchange->notify(std::string(60, 'x'));
  CHECK(exchange->take_events(std::chrono::milliseconds(0)).broken);
  exchange->done();
}
