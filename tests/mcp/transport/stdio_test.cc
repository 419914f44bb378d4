// A server behind real pipes: framing, order, a client that does not read, and every way a session ends.
#include "mcp/transport/stdio.h"

#include <csignal>
#include <cstdio>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mcp/server/harness.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::tests;
using mcp::Json;
using mcp::transport::Stdio;
using mcp::transport::StdioOptions;

namespace {

// The client's ends of the two pipes, and the server's loop in a thread.
class Client {
 public:
  explicit Client(Harness& harness, StdioOptions options = {}, int input_flags = 0) {
    int to_server[2], to_client[2];
    REQUIRE(::pipe2(to_server, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(to_client, O_CLOEXEC) == 0);
    REQUIRE(::fcntl(to_server[0], F_SETFL, input_flags) == 0);
    write_end_ = to_server[1];
    read_end_ = ::fdopen(to_client[0], "r");
    auto created = Stdio::create(to_server[0], to_client[1], std::move(options));
    REQUIRE(created.ok());
    stdio = std::move(created).value();
    loop_ = std::thread([this, &harness] { was_idle = stdio->run(*harness.session); });
  }
  ~Client() {
    end_input();
    stop_reading();
    join();
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(write_end_, bytes.data(), bytes.size());
      if (count < 0) return;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }
  void send(const Json& message) { write(message.dump() + "\n"); }
  Json read() {
    const std::string line = read_line();
    return line.empty() ? Json() : Json::parse(line);
  }
  std::string read_line() {
    std::string line;
    for (int c = std::fgetc(read_end_); c != EOF && c != '\n'; c = std::fgetc(read_end_)) line += static_cast<char>(c);
    return line;
  }
  void end_input() {
    if (write_end_ >= 0) ::close(std::exchange(write_end_, -1));
  }
  void stop_reading() {
    if (read_end_ != nullptr) std::fclose(std::exchange(read_end_, nullptr));
  }
  void join() {
    if (loop_.joinable()) loop_.join();
  }
  void handshake() {
    send(initialize_request("2025-11-25"));
    REQUIRE(read()["id"] == "init");
    send(notification("notifications/initialized"));
  }

  std::unique_ptr<Stdio> stdio;
  bool was_idle = false;

 private:
  int write_end_ = -1;
  std::FILE* read_end_ = nullptr;
  std::thread loop_;
};

Json call(const Json& id, const std::string& tool, const Json& arguments = Json::object()) {
  return request(id, "tools/call", {{"name", tool}, {"arguments", arguments}});
}

}  // namespace

TEST_CASE("stdio: a conversation over pipes") {
  Harness harness;
  harness.start();
  Client client(harness);
  client.handshake();
  client.send(request(1, "tools/list"));
  CHECK(client.read()["result"]["tools"].size() == 2);
  client.send(call(2, "echo", {{"text", "a\nb"}}));
  CHECK(client.read()["result"]["structuredContent"]["text"] == "a\nb");
}

// S2, F24: text-mode clients send CRLF, a byte order mark, blank lines.
TEST_CASE("stdio: carriage returns, a byte order mark, blank lines and split writes are taken") {
  Harness harness;
  harness.start();
  Client client(harness);
  client.write("\xEF\xBB\xBF" + request(1, "ping").dump() + "\r\n\r\n  \n\n");
  CHECK(client.read()["id"] == 1);
  const std::string line = request(2, "ping").dump() + "\n";
  for (const char c : line) client.write(std::string(1, c));
  CHECK(client.read()["id"] == 2);
  client.write(request(3, "ping").dump() + "\n" + request(4, "ping").dump() + "\n");
  CHECK(client.read()["id"] == 3);
  CHECK(client.read()["id"] == 4);
}

TEST_CASE("stdio: garbage is logged without its words, and the next line is served") {
  Harness harness;
  harness.start();
  Client client(harness);
  client.write("garbage\n\xff\xfe\n{\n");
  client.send(request(1, "ping"));
  CHECK(client.read()["id"] == 1);
  CHECK(harness.logged().size() == 3);
}

TEST_CASE("stdio: a line over the limit is dropped, and the next line is served") {
  Harness harness;
  harness.start();
  StdioOptions options;
  options.line_size_bytes_max = 200'000;
  Client client(harness, std::move(options));
  client.send(request(1, "ping", {{"text", std::string(300'000, 'x')}}));
  client.send(request(2, "ping", {{"text", std::string(100'000, 'x')}}));
  CHECK(client.read()["id"] == 2);
}

TEST_CASE("stdio: a megabyte goes in and comes out whole") {
  Harness harness;
  harness.options.result_size_bytes_max = 8 << 20;
  harness.start();
  Client client(harness);
  client.handshake();
  const std::string text(1 << 20, 'y');
  std::thread sender([&] { client.send(call(1, "echo", {{"text", text}})); });
  CHECK(client.read()["result"]["structuredContent"]["text"] == text);
  sender.join();
}

TEST_CASE("stdio: a last line without its end counts, and calls in flight are answered after the end of input") {
  Harness harness;
  harness.start();
  StdioOptions options;
  options.drain_max = std::chrono::minutes(1);
  options.flush_max = std::chrono::minutes(1);
  Client client(harness, std::move(options));
  client.write(initialize_request("2025-11-25").dump() + "\n" + call(1, "echo").dump());
  client.end_input();
  CHECK(client.read()["id"] == "init");
  CHECK(client.read()["id"] == 1);
  client.join();
  CHECK(client.was_idle);
}

// S6, F21: zombies that outlive their host.
TEST_CASE("stdio: at the end of input a call that goes on is stopped, unanswered") {
  Gate gate;
  Harness harness;
  harness.add(gate.tool("wait"));
  harness.start();
  StdioOptions options;
  options.drain_max = std::chrono::milliseconds(1);
  options.stop_max = std::chrono::minutes(1);
  Client client(harness, std::move(options));
  client.handshake();
  client.send(call(1, "wait"));
  gate.wait_until_entered(1);
  client.end_input();
  client.join();
  CHECK(client.was_idle);
  CHECK(gate.stopped_count() == 1);
  client.stdio.reset();
  CHECK(client.read_line().empty());
}

TEST_CASE("stdio: stop() ends the loop while the client keeps its pipes open") {
  Harness harness;
  harness.start();
  Client client(harness);
  client.handshake();
  client.stdio->stop();
  client.join();
  CHECK(client.was_idle);
}

TEST_CASE("stdio: an input that does not wait is served, and stop() ends the loop") {
  Harness harness;
  harness.start();
  Client client(harness, {}, O_NONBLOCK);
  client.handshake();
  client.send(request(1, "ping"));
  CHECK(client.read()["id"] == 1);
  client.stdio->stop();
  client.join();
  CHECK(client.was_idle);
}

TEST_CASE("stdio: stop() ends the loop also where whoever started us blocked every signal") {
  constexpr int kRounds = 30;  // in some of them the reader waits already
  sigset_t all, before;
  sigfillset(&all);
  Harness harness;
  harness.start();
  for (int round = 0; round < kRounds; ++round) {
    REQUIRE(::pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    Client client(harness);
    REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
    client.send(request(round, "ping"));
    CHECK(client.read()["id"] == round);
    client.stdio->stop();
    client.join();
    CHECK(client.was_idle);
  }
}

TEST_CASE("stdio: a client that closes its end ends the loop, not the process") {
  Harness harness;
  harness.start();
  Client client(harness);
  client.handshake();
  client.stop_reading();
  client.send(request(1, "ping"));
  client.join();
  CHECK(client.was_idle);
}

// A server that blocks on its output stops reading, the client blocks on its own, and both wait for ever.
TEST_CASE("stdio: a client that sends everything before it reads anything is served") {
  constexpr int kCount = 3000;
  Harness harness;
  harness.start();
  Client client(harness);
  const std::string padding(200, 'p');
  for (int id = 0; id < kCount; ++id) client.send(request(padding + std::to_string(id), "ping"));
  for (int id = 0; id < kCount; ++id) REQUIRE(client.read()["id"] == padding + std::to_string(id));
}

TEST_CASE("stdio: a client that never reads is given up at the queue's limit") {
  Harness harness;
  harness.start();
  StdioOptions options;
  options.queue_size_bytes_max = 100'000;
  options.flush_max = std::chrono::milliseconds(1);
  Client client(harness, std::move(options));
  // The pipe takes 48 to 64 KiB and the queue 100 KB. What comes after that, nobody reads: it has to fit the other
  // pipe.
  const std::string ping = request(std::string(1000, 'p'), "ping").dump() + "\n";
  for (int count = 0; count < 180; ++count) client.write(ping);
  client.join();
  CHECK(client.was_idle);
}

// S3: third-party code prints to stdout, and hosts take what is there for messages.
TEST_CASE("stdio: what anything in the process prints to stdout goes to stderr") {
  int in[2], out[2], err[2];
  REQUIRE((::pipe(in) == 0 && ::pipe(out) == 0 && ::pipe(err) == 0));
  std::fflush(stdout);  // what Catch2 has said so far is not the child's to say
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(in[0], 0), ::dup2(out[1], 1), ::dup2(err[1], 2);
    for (const int end : {in[0], in[1], out[0], out[1], err[0], err[1]}) ::close(end);
    auto stdio = Stdio::take_standard_streams({});
    std::printf("a banner\n");
    std::fflush(stdout);
    Harness harness;
    harness.start();
    stdio.value()->run(*harness.session);
    stdio.value().reset();
    ::_exit(0);
  }
  const std::string line = request(1, "ping").dump() + "\n";
  REQUIRE(::write(in[1], line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  for (const int end : {in[0], in[1], out[1], err[1]}) ::close(end);
  const auto all = [](int from) {
    std::string text;
    char c = 0;
    while (::read(from, &c, 1) == 1) text += c;
    ::close(from);
    return text;
  };
  CHECK(all(out[0]) == "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n");
  CHECK(all(err[0]) == "a banner\n");
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("stdio: lines of calls that end together are never mixed") {
  Harness harness;
  harness.options.queue_count_max = 1000;
  harness.start();
  Client client(harness);
  client.handshake();
  const std::string text(20'000, 'z');
  std::thread sender([&] {
    for (int id = 0; id < 50; ++id) client.send(call(id, "echo", {{"text", text}}));
  });
  std::vector<bool> seen(50);
  for (int count = 0; count < 50; ++count) {
    const Json response = client.read();
    CHECK(response["result"]["structuredContent"]["text"] == text);
    seen[response["id"].get<size_t>()] = true;
  }
  sender.join();
  CHECK(seen == std::vector<bool>(50, true));
}

// The thread that reads runs the call it has read; what comes next is not to wait for that.
TEST_CASE("stdio: while a call goes on, pings, other calls and its cancellation are served") {
  Gate gate;
  Harness harness;
  harness.add(gate.tool("wait"));
  harness.start();
  StdioOptions options;
  options.drain_max = std::chrono::minutes(1);
  Client client(harness, std::move(options));
  client.handshake();
  client.send(call(1, "wait"));
  gate.wait_until_entered(1);
  client.send(request(2, "ping"));
  CHECK(client.read()["id"] == 2);
  client.send(call(3, "echo", {{"text", "beside"}}));
  CHECK(client.read()["result"]["structuredContent"]["text"] == "beside");
  client.send(notification("notifications/cancelled", {{"requestId", 1}}));
  client.send(call(4, "echo", {{"text", "behind"}}));
  CHECK(client.read()["id"] == 4);
  client.end_input();
  client.join();
  CHECK(client.was_idle);
  CHECK(gate.stopped_count() == 1);
  client.stdio.reset();
  CHECK(client.read_line().empty());
}

TEST_CASE("stdio: as many calls that go on as there are workers, and a ping is still answered") {
  Gate gate;
  Harness harness;
  harness.options.worker_count = 3;
  harness.add(gate.tool("wait"));
  harness.start();
  StdioOptions options;
  options.drain_max = std::chrono::minutes(1);
  Client client(harness, std::move(options));
  client.handshake();
  for (int id = 1; id <= 3; ++id) {
    client.send(call(id, "wait"));
    gate.wait_until_entered(static_cast<size_t>(id));
    client.send(request("ping", "ping"));
    CHECK(client.read()["id"] == "ping");
  }
  gate.open();
  std::vector<bool> seen(4);
  for (int count = 0; count < 3; ++count) seen[client.read()["id"].get<size_t>()] = true;
  CHECK(seen == std::vector<bool>{false, true, true, true});
}

TEST_CASE("stdio: of requests that come together none waits for the one before it") {
  Gate gate;
  Harness harness;
  harness.add(gate.tool("wait"));
  harness.start();
  StdioOptions options;
  options.patience = std::chrono::hours(24);  // the call is not on the reader's thread, or this never ends
  Client client(harness, std::move(options));
  client.handshake();
  client.write(call(1, "wait").dump() + "\n" + request(2, "ping").dump() + "\n");
  CHECK(client.read()["id"] == 2);
  gate.open();
  CHECK(client.read()["id"] == 1);
}

TEST_CASE("stdio: calls of which many fit into one read are all answered, once") {
  constexpr size_t kCount = 300;
  Harness harness;
  harness.options.queue_count_max = kCount;
  harness.start();
  Client client(harness);
  client.handshake();
  std::string lines;
  for (size_t id = 0; id < kCount; ++id) lines += call(id, "echo", {{"text", "n"}}).dump() + "\n";
  client.write(lines);
  std::vector<int> seen(kCount);
  for (size_t count = 0; count < kCount; ++count) ++seen[client.read()["id"].get<size_t>()];
  CHECK(seen == std::vector<int>(kCount, 1));
}

// The pipe takes some of the answers at once; the rest goes through the queue, and they must not change places.
TEST_CASE("stdio: answers larger than the pipe stay whole and in order, however slowly they are read") {
  constexpr int kCount = 40;
  Harness harness;
  harness.start();
  Client client(harness);
  client.handshake();
  const std::string text(30'000, 't');
  for (int id = 0; id < kCount; ++id) {
    client.send(call(id, "echo", {{"text", text}}));
    client.send(request(std::to_string(id), "ping"));
  }
  int calls = 0;
  int pings = 0;
  for (int count = 0; count < 2 * kCount; ++count) {
    const Json response = client.read();
    if (response["id"].is_string()) {
      CHECK(response["id"] == std::to_string(pings++));
    } else {
      CHECK(response["result"]["structuredContent"]["text"] == text);
      ++calls;
    }
  }
  CHECK(calls == kCount);
  CHECK(pings == kCount);
}

TEST_CASE("stdio: answers into a file are written whole") {
  Harness harness;
  harness.start();
  int to_server[2];
  REQUIRE(::pipe2(to_server, O_CLOEXEC) == 0);
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  auto created = Stdio::create(to_server[0], ::dup(::fileno(file)), {});
  REQUIRE(created.ok());
  std::string lines;
  for (int id = 1; id <= 3; ++id) lines += request(id, "ping").dump() + "\n";
  REQUIRE(::write(to_server[1], lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()));
  ::close(to_server[1]);
  CHECK(created.value()->run(*harness.session));
  std::rewind(file);
  char buffer[1000];
  const std::string written(buffer, std::fread(buffer, 1, sizeof buffer, file));
  std::fclose(file);
  CHECK(written ==
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n"
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}\n");
}
