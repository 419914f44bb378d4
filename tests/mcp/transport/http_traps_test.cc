// What cpp-httplib was seen to do wrong in one version or another, held against the one that is linked: one connection
// that hurts the next, a header that lies, a byte stream without an end. The rest of the list is in http_test.cc.
#include <thread>

#include "tests/mcp/transport/site.h"

using namespace khipu;
using namespace khipu::mcp;
using namespace khipu::mcp::transport::tests;
using Catch::Matchers::StartsWith;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

namespace {

// Notes where it was told that a request comes from.
class Noting final : public transport::Authenticator {
 public:
  std::variant<jsonrpc::Caller, transport::Refusal> authenticate(const transport::RequestHead& head) override {
    address = std::string(head.address());
    return jsonrpc::Caller{"uid:1", {"query"}, ""};
  }
  std::string address;
};

}  // namespace

// A fixed pool left the fifth request of four idle connections waiting for 4.6 s.
TEST_CASE("http trap: idle connections keep no request waiting") {
  Site site;
  std::vector<std::unique_ptr<Client>> idle;
  for (int count = 0; count < 64; ++count) {
    idle.push_back(std::make_unique<Client>(site.http->port()));
    idle.back()->send(post_text("json"));
    REQUIRE_THAT(idle.back()->read_until("true}"), StartsWith("HTTP/1.1 200"));
  }
  const auto begun = Steady::now();
  CHECK(site.status(post_text("json")) == "HTTP/1.1 200 OK");
  CHECK(Steady::now() - begun < milliseconds(3000));
}

// Without TCP_NODELAY each round trip took 44 ms, and after 5 (or 100) of them the connection ended.
TEST_CASE("http trap: round trips on one connection wait for no timer and have no end") {
  Site site;
  Client client(site.http->port());
  const auto begun = Steady::now();
  for (int count = 0; count < 120; ++count) {
    client.forget();
    client.send(post_text("json"));
    REQUIRE_THAT(client.read_until("true}"), StartsWith("HTTP/1.1 200"));
  }
  CHECK(Steady::now() - begun < milliseconds(120 * 40));
}

// stop() never returned while a provider waited inside.
TEST_CASE("http trap: stopping does not wait for a handler that never answers") {
  Site site;
  Client client(site.http->port());
  client.send(post_text("stuck"));
  site.handler.wait_for_held(1);
  const auto begun = Steady::now();
  site.http->stop(milliseconds(200));
  CHECK(Steady::now() - begun < milliseconds(10'000));
  site.handler.wait_for_abandoned(1);
}

// 0.11 and 0.18 sent the text of an exception to the client, in a header.
TEST_CASE("http trap: what a handler throws is 500, and its words stay here") {
  Site site;
  const std::string answer = site.answer(post_text("throw"), "error\n");
  CHECK_THAT(answer, StartsWith("HTTP/1.1 500"));
  CHECK(answer.find("secret") == std::string::npos);
  CHECK(answer.find("EXCEPTION") == std::string::npos);
  CHECK(site.status(post_text("json")) == "HTTP/1.1 200 OK");
}

// A client's own REMOTE_ADDR won over the real one.
TEST_CASE("http trap: where a request comes from is what the kernel says, whatever its headers do") {
  Noting noting;
  transport::HttpOptions options;
  options.authenticator = &noting;
  Site site(std::move(options));
  CHECK(site.status(post_text("json", "REMOTE_ADDR: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\nLOCAL_ADDR: 6.6.6.6\r\n")) ==
        "HTTP/1.1 200 OK");
  CHECK(noting.address == "127.0.0.1");
}

// It percent-decodes them: a gateway before us would compare other names than we do.
TEST_CASE("http trap: header values are compared as they were sent") {
  Site site;
  CHECK_THAT(site.status("POST /mcp HTTP/1.1\r\nHost: local%68ost\r\nContent-Type: application/json\r\n"
                         "Content-Length: 4\r\n\r\njson"),
             StartsWith("HTTP/1.1 403"));
  CHECK_THAT(site.status("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         "Content-Length: %34\r\n\r\njson"),
             StartsWith("HTTP/1.1 400"));
  CHECK_THAT(site.status(post_text("json", "Origin: http://local%68ost\r\n")), StartsWith("HTTP/1.1 403"));
  CHECK_THAT(site.status(post_text("json", "Origin: http://localhost\r\n")), StartsWith("HTTP/1.1 200"));
}

// 64 MiB of it were buffered.
TEST_CASE("http trap: a request line without an end is cut") {
  Site site;
  Client client(site.http->port());
  const std::string piece(64 << 10, 'a');
  client.send("GET /");
  for (int count = 0; count < 256; ++count) client.send(piece);  // what comes after the cut is sent to nobody
  const std::string answer = client.read_to_end();
  CHECK((answer.empty() || answer.starts_with("HTTP/1.1 4")));
  CHECK(site.status(post_text("json")) == "HTTP/1.1 200 OK");
}

TEST_CASE("http trap: two lengths, or twenty thousand header lines, are refused") {
  Site site;
  CHECK_THAT(
      site.status("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4\r\n"
                  "Content-Length: 40\r\n\r\njson"),
      StartsWith("HTTP/1.1 400"));
  std::string many;
  for (int line = 0; line < 20'000; ++line) many += "X-" + std::to_string(line) + ": x\r\n";
  CHECK_THAT(site.status(post_text("json", many)), StartsWith("HTTP/1.1 4"));
  CHECK(site.status(post_text("json")) == "HTTP/1.1 200 OK");
}

TEST_CASE("http trap: a form whose file has a name of 300,000 letters is 415") {
  Site site;
  const std::string form = "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"" +
                           std::string(300'000, 'f') + "\"\r\n\r\n\r\n--x--\r\n";
  CHECK(site.status(post_text(form, "", "multipart/form-data; boundary=x")) == "HTTP/1.1 415 Unsupported Media Type");
  CHECK(site.status(post_text("json")) == "HTTP/1.1 200 OK");
}

// The library's backlog of 5 lost connections of 300 clients that came at once.
TEST_CASE("http trap: of clients that connect all at once, each is answered") {
  Site site;
  std::vector<std::unique_ptr<Client>> clients;
  for (int count = 0; count < 300; ++count) clients.push_back(std::make_unique<Client>(site.http->port()));
  for (const auto& client : clients) client->send(post_text("json"));
  for (const auto& client : clients) REQUIRE_THAT(client->read_until("true}"), StartsWith("HTTP/1.1 200"));
}
