// What the ingest listener does with strangers: the probe list of cpp-httplib's known weaknesses, against the version
// that is linked. Raw sockets, because a polite client cannot send these.
#include "engine/daemon/http.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "engine/os/process.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

using namespace khipu;

namespace {

class RawClient {
 public:
  explicit RawClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool send(const std::string& text) {
    return connected_ && ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  // Until the server closes, or `enough` has come.
  std::string receive(const std::string& enough = "") {
    std::string all;
    char buffer[4096];
    while (enough.empty() || all.find(enough) == std::string::npos) {
      const ssize_t size = ::recv(socket_, buffer, sizeof buffer, 0);
      if (size <= 0) break;
      all.append(buffer, static_cast<size_t>(size));
    }
    return all;
  }
  void give_up_after(int seconds) {
    const timeval time{seconds, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  }
  void end_sending() { ::shutdown(socket_, SHUT_WR); }

 private:
  int socket_;
  bool connected_ = false;
};

struct Server {
  explicit Server(daemon::HttpLimits limits = small(), daemon::HttpHandler answer = {}) {
    if (!answer) {
      answer = [this](daemon::HttpRequest& request) {
        ++requests;
        const Result<std::string> body = request.body();
        daemon::HttpResponse response;
        response.status = body.ok() ? 200 : body.error().code == Code::kLimit ? 413 : 408;
        response.body = body.ok() ? "size " + std::to_string(body->size()) : body.error().message;
        return response;
      };
    }
    listener = daemon::HttpListener::open_tcp("127.0.0.1", 0, limits, std::move(answer)).value();
  }
  static daemon::HttpLimits small() {
    daemon::HttpLimits limits;
    limits.body_size_bytes_max = 1 << 20;
    limits.connections_max = 4;
    return limits;
  }
  std::string ask(const std::string& text) {
    RawClient client(listener->port());
    client.send(text);
    client.end_sending();
    return client.receive();
  }
  std::atomic<int> requests = 0;
  std::unique_ptr<daemon::HttpListener> listener;
};

const std::string kPost = "POST /v1/events HTTP/1.1\r\nHost: k\r\nContent-Type: application/json\r\n";

}  // namespace

TEST_CASE("http: a body with its length, and one in chunks, arrive whole") {
  Server server;
  REQUIRE_THAT(server.ask(kPost + "Content-Length: 5\r\n\r\nhello"), ContainsSubstring("size 5"));
  REQUIRE_THAT(server.ask(kPost + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
               ContainsSubstring("size 5"));
}

TEST_CASE("http: a body over the limit is 413, told or in chunks, and is not kept") {
  Server server;
  REQUIRE_THAT(server.ask(kPost + "Content-Length: 2000000\r\n\r\n"), ContainsSubstring("HTTP/1.1 413"));
  RawClient client(server.listener->port());
  client.send(kPost + "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  bool open = true;
  for (int i = 0; i < 64 && open; ++i) open = client.send(chunk);
  client.end_sending();
  const std::string answer = client.receive();
  // The server may close while we still send: then the answer can be lost on the way, but never a 200.
  REQUIRE((answer.empty() || answer.find("HTTP/1.1 413") == 0));
}

TEST_CASE("http: floods of headers and endless lines end the request, and the server lives") {
  Server server;
  std::string many = kPost;
  for (int i = 0; i < 20000; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  const std::string headers = server.ask(many + "\r\n");
  REQUIRE((headers.empty() || headers.find("HTTP/1.1 400") == 0));
  const std::string line = server.ask("GET /" + std::string(1 << 20, 'a'));
  REQUIRE((line.empty() || line.find("HTTP/1.1 4") == 0));
  REQUIRE_THAT(server.ask("GET /x HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n"), ContainsSubstring("size 0"));
  REQUIRE(server.requests == 1);
}

TEST_CASE("http: two lengths, length with chunks, and compressed bodies are refused") {
  Server server;
  REQUIRE_THAT(server.ask(kPost + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
               ContainsSubstring("HTTP/1.1 400"));
  REQUIRE_THAT(server.ask(kPost + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
               ContainsSubstring("HTTP/1.1 400"));
  REQUIRE_THAT(server.ask(kPost + "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"),
               ContainsSubstring("HTTP/1.1 415"));
  REQUIRE(server.requests == 0);
}

TEST_CASE("http: header values arrive as they were sent, and a length is digits") {
  std::string key;
  Server server(Server::small(), [&](daemon::HttpRequest& request) {
    key = request.header("Idempotency-Key");
    const Result<std::string> body = request.body();
    daemon::HttpResponse response;
    response.status = body.ok() ? 200 : 408;
    response.body = "size " + std::to_string(body.ok() ? body->size() : 0);
    return response;
  });
  for (const std::string sent : {"order%2F7", "a%0D%0Ab", "100%", "%", "%25", "a%20b"}) {
    const std::string answer = server.ask(kPost + "Idempotency-Key: " + sent + "\r\nContent-Length: 6\r\n\r\n%41%\r\n");
    CHECK_THAT(answer, ContainsSubstring("size 6"));
    CHECK(key == sent);
  }
  // A proxy before us that takes these for no length would let the body through as a request of its own.
  for (const std::string length : {"Content-Length: %35", "Transfer-Encoding: ch%75nked"}) {
    const std::string answer = server.ask(kPost + length + "\r\n\r\nhello");
    CHECK((answer.find("HTTP/1.1 4") == 0 || answer.find("HTTP/1.1 501") == 0));
  }
}

TEST_CASE("http: a length that is no number is 400") {
  Server server;
  for (const char* length : {"abc", "5x", "-5", "+5", "0x5", "5 5"}) {
    INFO(length);
    CHECK_THAT(server.ask(kPost + "Content-Length: " + length + "\r\n\r\nhello"), ContainsSubstring("HTTP/1.1 400"));
  }
  CHECK(server.requests == 0);
}

TEST_CASE("http: a body without a length, or in an encoding that is not chunked alone, is refused") {
  Server server;
  REQUIRE_THAT(server.ask(kPost + "\r\nhello"), ContainsSubstring("HTTP/1.1 411"));
  REQUIRE_THAT(server.ask(kPost + "Transfer-Encoding: xchunked\r\n\r\nhello"), ContainsSubstring("HTTP/1.1 501"));
  REQUIRE_THAT(server.ask(kPost + "Transfer-Encoding: gzip, chunked\r\n\r\nhello"), ContainsSubstring("HTTP/1.1 501"));
  REQUIRE(server.requests == 0);
}

TEST_CASE("http: requests in one packet are answered in their order, and a body is never taken for a request") {
  Server server;
  const std::string one = kPost + "Content-Length: 5\r\n\r\nfirst", last = "Connection: close\r\nContent-Length: ";
  const std::string both = server.ask(one + kPost + last + "6\r\n\r\nsecond");
  REQUIRE_THAT(both, ContainsSubstring("size 5"));
  REQUIRE_THAT(both, ContainsSubstring("size 6"));
  REQUIRE(both.find("size 5") < both.find("size 6"));
  REQUIRE(server.requests == 2);
  // The head of a second request comes with the first; its body, later, looks like a third.
  const std::string body = one;
  RawClient client(server.listener->port());
  REQUIRE(client.send(one + kPost + last + std::to_string(body.size()) + "\r\n\r\n"));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  REQUIRE(client.send(body));
  client.end_sending();
  REQUIRE_THAT(client.receive(), ContainsSubstring("size " + std::to_string(body.size())));
  REQUIRE(server.requests == 4);
}

TEST_CASE("http: no Host and a forged REMOTE_ADDR change nothing") {
  Server server;
  std::string seen;
  Server peers(Server::small(), [&](daemon::HttpRequest& request) {
    seen = request.peer().address;
    return daemon::HttpResponse{};
  });
  REQUIRE_THAT(peers.ask("GET /x HTTP/1.0\r\nREMOTE_ADDR: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"),
               ContainsSubstring("HTTP/1.1 200"));
  REQUIRE(seen == "127.0.0.1");
}

TEST_CASE("http: a client that sends a byte now and then is cut when the time of a request is over") {
  daemon::HttpLimits limits = Server::small();
  limits.request_time_ms = 200;
  Server server(limits);
  RawClient silent(server.listener->port());
  REQUIRE(silent.send("POST /v1/events HTTP/1.1\r\nContent-Le"));
  const std::string answer = silent.receive();  // returns because the server closes
  REQUIRE((answer.empty() || answer.find("HTTP/1.1 4") == 0));
  RawClient half(server.listener->port());
  REQUIRE(half.send(kPost + "Content-Length: 10\r\n\r\n12345"));
  REQUIRE_THAT(half.receive(), !ContainsSubstring("HTTP/1.1 200"));
}

TEST_CASE("http: connections beyond the cap are answered 503 at once when all others are being answered") {
  daemon::HttpLimits limits = Server::small();
  limits.connections_max = 1;
  std::promise<void> begun, go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();
  Server server(limits, [&](daemon::HttpRequest& request) {
    CHECK(request.body().ok());
    begun.set_value();
    may_go_on.wait();
    daemon::HttpResponse response;
    response.body = "done";
    return response;
  });
  RawClient first(server.listener->port());
  first.send(kPost + "Content-Length: 5\r\n\r\nhello");
  begun.get_future().wait();
  RawClient second(server.listener->port());
  const std::string answer = second.receive();
  REQUIRE_THAT(answer, ContainsSubstring("HTTP/1.1 503"));
  REQUIRE_THAT(answer, ContainsSubstring("Retry-After: 1"));
  go_on.set_value();
  REQUIRE_THAT(first.receive("done"), ContainsSubstring("HTTP/1.1 200"));
}

TEST_CASE("http: hundreds of requests that never arrive whole shut no producer out, and the oldest of them end") {
  for (const std::string& half : {std::string("POST /v1/events HTTP/1.1\r\nContent-Le"), std::string(),
                                  kPost + "Content-Length: 10\r\n\r\n12345"}) {
    daemon::HttpLimits limits = Server::small();
    limits.connections_max = 64;
    limits.request_time_ms = limits.idle_time_ms = 600'000;  // time alone frees nothing here
    Server server(limits);
    std::vector<std::unique_ptr<RawClient>> idle;
    for (int i = 0; i < 400; ++i) {
      idle.push_back(std::make_unique<RawClient>(server.listener->port()));
      idle.back()->send(half);
      if (i % 40 != 39) continue;
      RawClient producer(server.listener->port());
      producer.give_up_after(60);
      REQUIRE(producer.send(kPost + "Content-Length: 5\r\n\r\nhello"));
      REQUIRE_THAT(producer.receive("size 5"), ContainsSubstring("HTTP/1.1 200"));
    }
    CHECK(idle.front()->receive().find("200") == std::string::npos);  // ended by the server: this returns
  }
}

// httplib's own pool queued some of a burst behind connections that stay open.
TEST_CASE("http: of a burst of connections that all stay open, every one is answered") {
  daemon::HttpLimits limits = Server::small();
  limits.connections_max = 200;
  limits.idle_time_ms = 60'000;
  Server server(limits);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 150; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.listener->port()));
    REQUIRE(clients.back()->send("GET /x HTTP/1.1\r\nHost: k\r\n\r\n"));
  }
  for (const auto& client : clients) {
    client->give_up_after(10);
    REQUIRE_THAT(client->receive("size 0"), ContainsSubstring("HTTP/1.1 200"));
  }
  clients.clear();
  REQUIRE_THAT(server.ask("GET /x HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n"), ContainsSubstring("200"));
}

TEST_CASE("http: stop lets a request that has begun finish, and takes no other") {
  std::promise<void> begun;
  std::promise<void> go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();
  Server server(Server::small(), [&](daemon::HttpRequest&) {
    begun.set_value();
    may_go_on.wait();
    daemon::HttpResponse response;
    response.body = "done";
    return response;
  });
  const uint16_t port = server.listener->port();
  RawClient client(port);
  client.send("GET /x HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n");
  begun.get_future().wait();
  std::thread stopping([&] { server.listener->stop(60000); });
  go_on.set_value();
  REQUIRE_THAT(client.receive(), ContainsSubstring("done"));
  stopping.join();
  RawClient late(port);
  REQUIRE_FALSE(late.send("GET /x HTTP/1.1\r\n\r\n"));
}

TEST_CASE("http: over a Unix socket the peer is known by uid, the file is 0660, deep paths work") {
  const tests::TempDirectory folder;
  std::string deep = folder.path();
  for (int i = 0; i < 4; ++i) {
    deep += "/" + std::string(40, static_cast<char>('a' + i));
    REQUIRE(::mkdir(deep.c_str(), 0700) == 0);
  }
  REQUIRE(deep.size() > sizeof(sockaddr_un::sun_path));
  for (const std::string& place : {folder.path(), deep}) {
    daemon::HttpPeer seen;
    const os::SocketPath path = os::SocketPath::make(place, "ingest.sock").value();
    const auto listener = daemon::HttpListener::open_local(path, Server::small(), [&](daemon::HttpRequest& request) {
                            seen = request.peer();
                            daemon::HttpResponse response;
                            response.body = request.body().value();
                            return response;
                          }).value();
    struct stat status {};
    REQUIRE(::stat((place + "/ingest.sock").c_str(), &status) == 0);
    REQUIRE((status.st_mode & 0777) == 0660);
    const auto client = daemon::HttpClient::open_local(os::SocketPath::make(place, "ingest.sock").value());
    REQUIRE(client->post("/v1/events", "application/json", "abc", {}).value().body == "abc");
    REQUIRE(client->get("/v1/none").value().status == 200);
    REQUIRE(seen.local);
    REQUIRE(seen.process.uid == os::effective_user_id());
    listener->stop(0);
    REQUIRE(client->get("/v1/none").error().code == Code::kNotFound);
  }
}
