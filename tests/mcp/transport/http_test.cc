// The HTTP listener over real sockets, with a handler that says what it was asked: who may come, what is bounded, how
// an answer becomes a stream. Each trap of the linked cpp-httplib that DEPS named is here. Not here: MCP
// (tests/mcp/server).
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/mcp/transport/site.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::transport::tests;
using Catch::Matchers::StartsWith;
using khipu::tests::TempDirectory;
using std::chrono::milliseconds;

namespace {

class TokenAuthenticator final : public transport::Authenticator {
 public:
  std::variant<jsonrpc::Caller, transport::Refusal> authenticate(const transport::RequestHead& head) override {
    const std::string header = head.header("Authorization");
    if (header == "Bearer good" && !is_revoked) return jsonrpc::Caller{"token:good", {"query"}, ""};
    return transport::Refusal{401, "Bearer resource_metadata=\"x\"", "who are you?"};
  }
  std::atomic<bool> is_revoked = false;
};

// A client that sends this and then a byte every 20 ms is cut all the same.
void expect_drip_is_cut(Site& site, const std::string& begin) {
  Client client(site.http->port());
  std::atomic<bool> is_over = false;
  std::thread drip([&] {
    client.send(begin);
    while (!is_over) {
      client.send("x");
      std::this_thread::sleep_for(milliseconds(20));
    }
  });
  const auto begun = std::chrono::steady_clock::now();
  client.read_to_end();
  CHECK(std::chrono::steady_clock::now() - begun < milliseconds(10'000));  // the test itself would wait for 20 s
  is_over = true;
  drip.join();
}

}  // namespace

TEST_CASE("http: a response alone is JSON, a notification first makes it a stream, nothing is 202") {
  Site site;
  const std::string json = site.answer(post_text("json"), "true}");
  CHECK_THAT(json, StartsWith("HTTP/1.1 200"));
  CHECK_THAT(json, ContainsSubstring("Content-Type: application/json"));
  CHECK(site.handler.last_caller() == "uid:1");
  const std::string stream = site.answer(post_text("stream"), "0\r\n\r\n");
  CHECK_THAT(stream, ContainsSubstring("Content-Type: text/event-stream"));
  CHECK_THAT(stream, ContainsSubstring("X-Accel-Buffering: no"));
  CHECK_THAT(stream, ContainsSubstring("data: {\"n\":1}\n\ndata: {\"ok\":true}\n\n"));
  CHECK(site.status(post_text("none")) == "HTTP/1.1 202 Accepted");
  CHECK(site.status(post_text("forbidden")) == "HTTP/1.1 404 Not Found");
  CHECK_THAT(site.answer(post_text("begin"), "true}"), ContainsSubstring("Mcp-Session-Id: s-1"));
}

TEST_CASE("http: a client that takes no stream gets the response alone") {
  Site site;
  std::string request = post_text("stream");
  request.replace(request.find("application/json, text/event-stream"), 35, "application/json");
  const std::string answer = site.answer(request, "true}");
  CHECK_THAT(answer, ContainsSubstring("Content-Type: application/json"));
  CHECK(answer.find("{\"n\":1}") == std::string::npos);
}

TEST_CASE("http: a foreign Host or Origin is 403, whatever the method, one's own is not") {
  Site site;
  const auto get = [](const std::string& lines) { return "GET /mcp HTTP/1.1\r\n" + lines + "\r\n"; };
  CHECK(site.status(get("Host: evil.example.com\r\n")) == "HTTP/1.1 403 Forbidden");
  CHECK(site.status(get("Host: localhost\r\nOrigin: http://evil.example.com\r\n")) == "HTTP/1.1 403 Forbidden");
  CHECK(site.status(get("Host: localhost\r\nOrigin: null\r\n")) == "HTTP/1.1 403 Forbidden");
  CHECK(site.status(get("")) == "HTTP/1.1 400 Bad Request");
  CHECK(site.status(get("Host: localhost\r\nHost: localhost\r\n")) == "HTTP/1.1 400 Bad Request");
  const std::string own = "Origin: http://localhost:" + std::to_string(site.http->port()) + "\r\n";
  const std::string answer = site.answer(post_text("json", own), "true}");
  CHECK_THAT(answer, ContainsSubstring("Access-Control-Allow-Origin: http://localhost:"));
}

TEST_CASE("http: every method but four is 405 with Allow, and so is a stream without a session") {
  Site site;
  for (const std::string method : {"PUT", "PATCH", "HEAD"}) {
    INFO(method);
    const std::string answer =
        site.answer(method + " /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "\r\n\r\n");
    CHECK_THAT(answer, StartsWith("HTTP/1.1 405"));
    CHECK_THAT(answer, ContainsSubstring("Allow: GET, POST, DELETE, OPTIONS"));
  }
  const std::string get = "GET /mcp HTTP/1.1\r\nHost: localhost\r\n";
  CHECK_THAT(site.answer(get + "Accept: text/event-stream\r\n\r\n", "\r\n\r\n"), ContainsSubstring("Allow: POST"));
  CHECK(site.status(get + "Mcp-Session-Id: s\r\n\r\n") == "HTTP/1.1 405 Method Not Allowed");
  CHECK(site.status("OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n") == "HTTP/1.1 204 No Content");
  CHECK(site.status("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") == "HTTP/1.1 404 Not Found");
}

TEST_CASE("http: types, encodings and headers that are not right are refused before the body counts") {
  Site site;
  CHECK(site.status(post_text("json", "", "text/plain")) == "HTTP/1.1 415 Unsupported Media Type");
  CHECK(site.status(post_text("json", "", "application/json; charset=utf-8")) == "HTTP/1.1 200 OK");
  CHECK(site.status(post_text("json", "Content-Encoding: gzip\r\n")) == "HTTP/1.1 415 Unsupported Media Type");
  CHECK(site.status(post_text("json", "Mcp-Method: a\r\nMcp-Method: b\r\n")) == "HTTP/1.1 400 Bad Request");
  CHECK(site.status(post_text("json", "Mcp-Session-Id: a b\r\n")) == "HTTP/1.1 400 Bad Request");
  CHECK(site.status(post_text("json", "Mcp-Name: a\x01 b\r\n")) == "HTTP/1.1 400 Bad Request");
  CHECK(site.status(post_text("json", "Transfer-Encoding: chunked\r\n")) == "HTTP/1.1 400 Bad Request");
  std::string picky = post_text("json");
  picky.replace(picky.find("application/json, text/event-stream"), 35, "image/png");
  CHECK(site.status(picky) == "HTTP/1.1 406 Not Acceptable");
  CHECK(site.status(post_text("json", "mcp-NAME:  x \r\n")) == "HTTP/1.1 200 OK");
  CHECK(site.handler.last_name() == "x");
}

TEST_CASE("http: a body over the limit is 413, with a length or in chunks, and a long header is refused") {
  transport::HttpOptions options;
  options.body_size_bytes_max = 100'000;
  Site site(std::move(options));
  CHECK(site.status(post_text(std::string(100'000, 'x'))) == "HTTP/1.1 200 OK");
  CHECK(site.handler.last_size == 100'000);
  CHECK(site.status(post_text(std::string(100'001, 'x'))) == "HTTP/1.1 413 Payload Too Large");
  std::string chunked =
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int chunk = 0; chunk < 20; ++chunk) chunked += "2710\r\n" + std::string(10'000, 'x') + "\r\n";
  CHECK(site.status(chunked + "0\r\n\r\n") == "HTTP/1.1 413 Payload Too Large");
  CHECK_THAT(site.status(post_text("json", "X-Long: " + std::string(20'000, 'x') + "\r\n")), StartsWith("HTTP/1.1 4"));
  std::string many;
  for (int line = 0; line < 300; ++line) many += "X-" + std::to_string(line) + ": x\r\n";
  CHECK_THAT(site.status(post_text("json", many)), StartsWith("HTTP/1.1 4"));
}

// The library reads a body to the end of the connection where no length was given.
TEST_CASE("http: a DELETE without a length is answered, and the next request on its connection too") {
  Site site;
  Client client(site.http->port());
  client.send("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: s\r\n\r\n");
  CHECK_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 204"));
  client.forget();
  client.send(post_text("json"));
  CHECK_THAT(client.read_until("true}"), StartsWith("HTTP/1.1 200"));
}

TEST_CASE("http: many requests on one connection") {
  Site site;
  Client client(site.http->port());
  for (int count = 0; count < 200; ++count) {
    client.forget();
    client.send(post_text("json"));
    REQUIRE_THAT(client.read_until("true}"), StartsWith("HTTP/1.1 200"));
  }
}

TEST_CASE("http: a client that leaves is told to the handler, waiting or streaming") {
  Site site;
  {
    Client waiting(site.http->port()), streaming(site.http->port());
    waiting.send(post_text("hold"));
    streaming.send("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: s\r\n\r\n");
    CHECK_THAT(streaming.read_until(": open"), ContainsSubstring("text/event-stream"));
    site.handler.wait_for_held(2);
  }
  site.handler.wait_for_abandoned(2);
}

TEST_CASE("http: a silent stream is kept alive, and one stream too many is 503") {
  transport::HttpOptions options;
  options.keep_alive = milliseconds(50);
  options.streams_max = 1;
  Site site(std::move(options));
  const std::string get =
      "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: s\r\n\r\n";
  Client first(site.http->port());
  first.send(get);
  CHECK_THAT(first.read_until(": keepalive"), ContainsSubstring(": keepalive"));
  const std::string refused = site.answer(get, "\r\n\r\n");
  CHECK_THAT(refused, StartsWith("HTTP/1.1 503"));
  CHECK_THAT(refused, ContainsSubstring("Retry-After: 5"));
  CHECK_THAT(site.status(post_text("json")), StartsWith("HTTP/1.1 200"));
}

// The library's own pool left some of a burst waiting behind threads that were busy for good.
TEST_CASE("http: of many streams that are opened at once, each is served") {
  Site site;
  std::vector<std::unique_ptr<Client>> clients;
  for (int count = 0; count < 200; ++count) clients.push_back(std::make_unique<Client>(site.http->port()));
  for (const auto& client : clients) {
    client->send("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: s\r\n\r\n");
  }
  for (const auto& client : clients) REQUIRE_THAT(client->read_until(": open"), ContainsSubstring(": open"));
  CHECK(site.status(post_text("json")) == "HTTP/1.1 200 OK");
}

TEST_CASE("http: one connection too many is told so at the door") {
  transport::HttpOptions options;
  options.connections_max = 2;
  Site site(std::move(options));
  Client one(site.http->port()), two(site.http->port());
  one.send(post_text("hold"));
  two.send(post_text("hold"));
  site.handler.wait_for_held(2);
  Client three(site.http->port());
  CHECK_THAT(three.read_to_end(), StartsWith("HTTP/1.1 503"));
}

TEST_CASE("http: a request that does not arrive in its time is cut, however busily it drips") {
  transport::HttpOptions options;
  options.request_time_max = milliseconds(300);
  Site site(std::move(options));
  expect_drip_is_cut(site, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
}

TEST_CASE("http: stopping ends streams with what the handler says, at once") {
  Site site;
  Client client(site.http->port());
  client.send("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: s\r\n\r\n");
  client.read_until(": open");
  site.handler.wait_for_held(1);
  const auto begun = std::chrono::steady_clock::now();
  site.http->stop(milliseconds(5000));
  CHECK(std::chrono::steady_clock::now() - begun < milliseconds(4000));
  CHECK_THAT(client.read_to_end(), ContainsSubstring("data: {\"bye\":true}"));
}

TEST_CASE("http: whoever cannot tell who calls is refused, before the body, and the handler never hears of it") {
  TokenAuthenticator authenticator;
  transport::HttpOptions options;
  options.authenticator = &authenticator;
  options.address = "0.0.0.0";
  options.insecure = true;
  options.routes.push_back(
      {"/.well-known/oauth-protected-resource", [](const transport::RequestHead&) {
         return transport::GetRoute::Answer{200, "application/json", "{\"resource\":1}", "no-store"};
       }});
  Site site(std::move(options));
  const std::string refused = site.answer(post_text("json"), "\r\n\r\n");
  CHECK_THAT(refused, StartsWith("HTTP/1.1 401"));
  CHECK_THAT(refused, ContainsSubstring("WWW-Authenticate: Bearer resource_metadata=\"x\""));
  CHECK(site.handler.last_caller().empty());
  CHECK(site.status(post_text("json", "Authorization: Bearer good\r\n")) == "HTTP/1.1 200 OK");
  CHECK(site.handler.last_caller() == "token:good");
  CHECK_THAT(site.answer("GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: localhost\r\n\r\n", ":1}"),
             ContainsSubstring("{\"resource\":1}"));
}

TEST_CASE("http: who shows a token is its caller or nobody, also where none is asked for") {
  const std::string good = "Authorization: Bearer good\r\n", other = "Authorization: Bearer bad\r\n";
  {
    Site site;
    CHECK(site.status(post_text("json")) == "HTTP/1.1 200 OK");
    CHECK_THAT(site.answer(post_text("json", good), "\r\n\r\n"), ContainsSubstring("WWW-Authenticate: Bearer"));
    CHECK(site.status(post_text("json", "Authorization:\r\n")) == "HTTP/1.1 401 Unauthorized");
    CHECK(site.handler.last_caller() == "uid:1");
  }
  TokenAuthenticator authenticator;
  transport::HttpOptions options;
  options.authenticator = &authenticator;
  std::atomic<bool> is_open = true;
  options.is_open = [&] { return is_open.load(); };
  {
    Site site(options);
    CHECK(site.status(post_text("json")) == "HTTP/1.1 200 OK");
    CHECK(site.handler.last_caller() == "uid:1");
    CHECK(site.status(post_text("json", other)) == "HTTP/1.1 401 Unauthorized");
    CHECK(site.status(post_text("json", good)) == "HTTP/1.1 200 OK");
    CHECK(site.handler.last_caller() == "token:good");
    is_open = false;
    CHECK(site.status(post_text("json")) == "HTTP/1.1 401 Unauthorized");
    CHECK(site.status(post_text("json", good)) == "HTTP/1.1 200 OK");
    is_open = true;
  }
  options.address = "0.0.0.0";
  options.insecure = true;
  Echo handler;
  CHECK_FALSE(transport::Http::open(options, handler).ok());
}

TEST_CASE("http: a token that is revoked ends its streams, whatever opened them") {
  TokenAuthenticator authenticator;
  transport::HttpOptions options;
  options.authenticator = &authenticator;
  Site site(std::move(options));
  const std::string good = "Authorization: Bearer good\r\n";
  Client stream(site.http->port());
  stream.send("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: s\r\n" + good +
              "\r\n");
  Client listen(site.http->port());
  listen.send(post_text("listen", good));
  for (Client* client : {&stream, &listen}) CHECK_THAT(client->read_until(": open"), ContainsSubstring(": open"));
  site.handler.wait_for_held(2);
  authenticator.is_revoked = true;
  site.handler.tell(R"({"told":true})");
  for (Client* client : {&stream, &listen}) {
    const std::string all = client->read_until("0\r\n\r\n");
    CHECK_THAT(all, ContainsSubstring("0\r\n\r\n"));
    CHECK(all.find("told") == std::string::npos);
  }
  site.handler.wait_for_abandoned(2);
}

TEST_CASE("http: over TLS, and with another certificate after a reload") {
  const TempDirectory folder;
  const auto run = [](const std::string& command) { return std::system((command + " 2>/dev/null").c_str()) == 0; };
  const auto make = [&](const std::string& name) {
    return run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" + name +
               " -keyout '" + (folder / "key.pem") + "' -out '" + (folder / "cert.pem") + "'");
  };
  if (!run("command -v openssl >/dev/null") || !make("first")) SKIP("there is no openssl command");
  transport::HttpOptions options;
  options.tls_certificate_path = folder / "cert.pem";
  options.tls_key_path = folder / "key.pem";
  Site site(std::move(options));
  const auto answers = [&](const std::string& name) {
    const std::string out = folder / "answer";
    const std::string connect = "openssl s_client -quiet -verify_quiet -CAfile '" + (folder / "cert.pem") +
                                "' -verify_return_error -connect 127.0.0.1:" + std::to_string(site.http->port());
    std::ofstream(folder / "request") << "GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    run("(cat '" + (folder / "request") + "'; sleep 1) | " + connect + " >'" + out + "'");
    std::ifstream answer(out);
    const std::string text((std::istreambuf_iterator<char>(answer)), {});
    INFO(name);
    CHECK_THAT(text, StartsWith("HTTP/1.1 405"));
  };
  answers("first");
  REQUIRE(make("second"));
  REQUIRE(site.http->reload_certificate().ok());
  answers("second");  // verified against the new certificate: the old one would be refused
  std::ofstream(folder / "cert.pem") << "not a certificate";
  CHECK_FALSE(site.http->reload_certificate().ok());
}

TEST_CASE("http: a TLS handshake that does not end in its time is cut, however busily it drips") {
  const TempDirectory folder;
  const std::string files = " -keyout '" + (folder / "key.pem") + "' -out '" + (folder / "cert.pem") + "'";
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=a";
  if (std::system((make + files + " 2>/dev/null").c_str()) != 0) SKIP("there is no openssl command");
  transport::HttpOptions options;
  options.tls_certificate_path = folder / "cert.pem";
  options.tls_key_path = folder / "key.pem";
  options.request_time_max = milliseconds(300);
  Site site(std::move(options));
  expect_drip_is_cut(site, std::string("\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb\x03\x03", 11));  // a ClientHello of 16 KiB
}

TEST_CASE("http: requests that come in one TLS record are answered one after the other") {
  const TempDirectory folder;
  const auto run = [](const std::string& command) { return std::system((command + " 2>/dev/null").c_str()) == 0; };
  const std::string files = " -keyout '" + (folder / "key.pem") + "' -out '" + (folder / "cert.pem") + "'";
  if (!run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=one" + files)) {
    SKIP("there is no openssl command");
  }
  transport::HttpOptions options;
  options.tls_certificate_path = folder / "cert.pem";
  options.tls_key_path = folder / "key.pem";
  options.routes.push_back({"/one", [](const transport::RequestHead&) {
                              return transport::GetRoute::Answer{200, "text/plain", "answered", "no-store"};
                            }});
  Site site(std::move(options));
  const std::string get = "GET /one HTTP/1.1\r\nHost: localhost\r\n";
  std::ofstream(folder / "requests") << get << "\r\n" << get << "\r\n" << get << "Connection: close\r\n\r\n";
  run("(cat '" + (folder / "requests") + "'; sleep 1) | openssl s_client -quiet -connect 127.0.0.1:" +
      std::to_string(site.http->port()) + " >'" + (folder / "answers") + "'");
  std::ifstream answers(folder / "answers");
  const std::string text((std::istreambuf_iterator<char>(answers)), {});
  size_t count = 0;
  for (size_t at = text.find("answered"); at != std::string::npos; at = text.find("answered", at + 1)) ++count;
  CHECK(count == 3);
}

TEST_CASE("http: beyond loopback plain HTTP is refused even with an authenticator, unless it is meant") {
  Echo handler;
  TokenAuthenticator authenticator;
  transport::HttpOptions plain;
  plain.address = "0.0.0.0";
  plain.authenticator = &authenticator;
  const auto refused = transport::Http::open(plain, handler);
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(refused.error().message, ContainsSubstring("--insecure-http"));
  plain.insecure = true;
  const auto meant = transport::Http::open(plain, handler);
  REQUIRE(meant.ok());
  (*meant)->stop(milliseconds(100));
}

TEST_CASE("http: beyond loopback nothing listens without an authenticator, and TLS needs both its files") {
  Echo handler;
  transport::HttpOptions open;
  open.address = "0.0.0.0";
  CHECK_FALSE(transport::Http::open(open, handler).ok());
  transport::HttpOptions half;
  half.tls_certificate_path = "cert.pem";
  CHECK_FALSE(transport::Http::open(half, handler).ok());
  transport::HttpOptions absent;
  absent.tls_certificate_path = absent.tls_key_path = "no-such-file.pem";
  CHECK_FALSE(transport::Http::open(absent, handler).ok());
}
