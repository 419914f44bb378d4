// A listener over a real socket, with a handler that says what it was asked, and a client that sends bytes as they are.
// Not here: MCP (tests/mcp/server).
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "mcp/transport/http.h"
#include "tests/support/catch.h"

namespace khipu::mcp::transport::tests {

// Answers by the body: "json", "stream" (two events), "hold" (until abandoned, or the streams end), "listen" (the same
// as a stream), "stuck" (until abandoned), "throw", "none", "begin", "flood", "forbidden".
class Echo final : public jsonrpc::WebHandler {
 public:
  void post(const jsonrpc::Caller& caller, const jsonrpc::Head& head, std::string_view body,
            jsonrpc::Outbox& outbox) override {
    {
      const std::lock_guard lock(mutex_);
      last_caller_ = caller.id;
      last_name_ = head.name.value_or("");
    }
    last_size = body.size();
    if (body == "listen") outbox.open_stream();
    if (body == "hold" || body == "listen") return hold(outbox);
    if (body == "stuck") return keep(stuck_, outbox);
    if (body == "throw") throw std::runtime_error("a secret of the handler's");
    if (body == "begin") outbox.begin_session("s-1");
    if (body == "stream") outbox.notify(R"({"n":1})");
    if (body == "flood") outbox.notify(std::string(4096, 'x'));
    if (body == "forbidden") outbox.refuse(404, R"({"error":1})");
    if (body != "none" && body != "forbidden") outbox.respond(R"({"ok":true})");
    outbox.done();
  }
  int open_stream(const jsonrpc::Caller&, const jsonrpc::Head& head, jsonrpc::Outbox& outbox) override {
    if (!head.session) return 405;
    outbox.open_stream();
    hold(outbox);
    return 0;
  }
  void close_stream(jsonrpc::Outbox& outbox) override { abandon(outbox); }
  int end_session(const jsonrpc::Caller&, const jsonrpc::Head& head) override { return head.session ? 204 : 405; }
  void abandon(jsonrpc::Outbox& outbox) override {
    const std::lock_guard lock(mutex_);
    if (std::erase(held_, &outbox) + std::erase(stuck_, &outbox) == 0) return;
    ++abandoned_;
    changed_.notify_all();
    outbox.done();
  }
  void end_streams() override {
    const std::lock_guard lock(mutex_);
    for (jsonrpc::Outbox* outbox : held_) {
      outbox->respond(R"({"bye":true})");
      outbox->done();
    }
    held_.clear();
  }
  void tell(const std::string& line) {
    const std::lock_guard lock(mutex_);
    for (jsonrpc::Outbox* outbox : held_) outbox->notify(line);
  }
  void wait_for_held(size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return held_.size() + stuck_.size() >= count; }));
  }
  void wait_for_abandoned(size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return abandoned_ >= count; }));
  }

  std::string last_caller() {
    const std::lock_guard lock(mutex_);
    return last_caller_;
  }
  std::string last_name() {
    const std::lock_guard lock(mutex_);
    return last_name_;
  }
  std::atomic<size_t> last_size = 0;

 private:
  void hold(jsonrpc::Outbox& outbox) { keep(held_, outbox); }
  void keep(std::vector<jsonrpc::Outbox*>& list, jsonrpc::Outbox& outbox) {
    const std::lock_guard lock(mutex_);
    list.push_back(&outbox);
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<jsonrpc::Outbox*> held_, stuck_;
  size_t abandoned_ = 0;
  std::string last_caller_, last_name_;
};

class Client {
 public:
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    timeval patience{20, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Client() { ::close(socket_); }
  void send(const std::string& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;  // refused half-way: the answer says why
      sent += static_cast<size_t>(count);
    }
  }
  // Reads until `text` has come, or the end.
  std::string read_until(const std::string& text) {
    char buffer[4096];
    while (text.empty() || received_.find(text) == std::string::npos) {
      const ssize_t count = recv(socket_, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      received_.append(buffer, static_cast<size_t>(count));
    }
    return received_;
  }
  std::string read_to_end() { return read_until(""); }
  void forget() { received_.clear(); }

 private:
  int socket_;
  std::string received_;
};

inline std::string post_text(const std::string& body, const std::string& more = "",
                             const std::string& type = "application/json") {
  return "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + type +
         "\r\nAccept: application/json, text/event-stream\r\n" + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Site {
  explicit Site(HttpOptions options = {}) {
    options.caller.id = "uid:1";
    auto opened = Http::open(std::move(options), handler);
    INFO((opened.ok() ? "" : opened.error().message));
    REQUIRE(opened.ok());
    http = std::move(opened).value();
  }
  // The first line of the answer to one request on a connection of its own.
  std::string status(const std::string& request) {
    Client client(http->port());
    client.send(request);
    const std::string answer = client.read_until("\r\n\r\n");
    return answer.substr(0, answer.find('\r'));
  }
  std::string answer(const std::string& request, const std::string& until) {
    Client client(http->port());
    client.send(request);
    return client.read_until(until);
  }
  Echo handler;
  std::unique_ptr<Http> http;
};

}  // namespace khipu::mcp::transport::tests
