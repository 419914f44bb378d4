// Many clients over HTTP, without HTTP: an outbox that remembers, and a Web over all that is on offer.
#pragma once

#include "mcp/server/web.h"
#include "tests/mcp/server/offering.h"
#include "tests/support/catch.h"

namespace khipu::tests {

using mcp::Json;
using mcp::jsonrpc::Head;
using mcp::server::Caller;

class WebOutbox final : public mcp::jsonrpc::Outbox {
 public:
  void notify(std::string line) override { add(200, std::move(line)); }
  void respond(std::string line) override { add(200, std::move(line)); }
  void refuse(int http_status, std::string line) override { add(http_status, std::move(line)); }
  bool stands_apart() const override { return true; }
  void begin_session(const std::string& id) override { session = id; }
  void done() override {
    const std::lock_guard lock(mutex_);
    is_done = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_done; });
  }
  Json last() {
    const std::lock_guard lock(mutex_);
    return lines.empty() ? Json() : Json::parse(lines.back());
  }

  int status = 202;
  std::vector<std::string> lines;
  std::string session;
  bool is_done = false;

 private:
  void add(int http_status, std::string line) {
    const std::lock_guard lock(mutex_);
    status = http_status;
    if (!line.empty()) lines.push_back(std::move(line));
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
};

struct Answer {
  int status;
  Json body;
  std::string session;
  int code() const { return body.contains("error") ? body["error"]["code"].get<int>() : 0; }
};

inline const Caller kAlice{"token:alice", {"query"}, ""};
inline const Caller kBob{"token:bob", {"query"}, ""};

struct Site : Offering {
  explicit Site(mcp::server::WebOptions web_options = {}) {
    options.random = [this] { return ++random_; };
    start();
    web = std::make_unique<mcp::server::Web>(*server, web_options);
  }
  ~Site() { web.reset(); }
  Answer post(const std::string& body, const Head& head = {}, const Caller& caller = kAlice) {
    WebOutbox box;
    web->post(caller, head, body, box);
    box.wait();
    return {box.status, box.last(), box.session};
  }
  Answer post(const Json& body, const Head& head = {}, const Caller& caller = kAlice) {
    return post(body.dump(), head, caller);
  }
  Head begin(const std::string& revision = "2025-11-25", const Caller& caller = kAlice) {
    const Answer hello = post(initialize_request(revision), {}, caller);
    REQUIRE(hello.status == 200);
    REQUIRE_FALSE(hello.session.empty());
    Head head;
    head.session = hello.session;
    return head;
  }
  std::unique_ptr<mcp::server::Web> web;

 private:
  uint64_t random_ = 0;
};

inline Head headers(const std::string& method, std::optional<std::string> name = {},
                    const std::string& version = "2026-07-28") {
  Head head;
  head.version = version;
  head.method = method;
  head.name = std::move(name);
  return head;
}

}  // namespace khipu::tests
