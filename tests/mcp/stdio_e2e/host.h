// The real khipu-mcp as a host runs it: a process with both its streams in our hands.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "mcp/jsonrpc/json.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace khipu::tests {

using khipu::mcp::Json;

class Host {
 public:
  explicit Host(const std::string& root, const std::vector<std::string>& more = {}) {
    int in[2], out[2];
    REQUIRE(pipe2(in, O_CLOEXEC) == 0);
    REQUIRE(pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::vector<std::string> said = {program("khipu-mcp")};
    said.insert(said.end(), more.begin(), more.end());
    said.push_back(root);
    std::vector<char*> words;
    for (std::string& word : said) words.push_back(word.data());
    words.push_back(nullptr);
    REQUIRE(posix_spawn(&pid_, words[0], &actions, nullptr, words.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  ~Host() {
    if (to_ >= 0) close(to_);
    close(from_);
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void send(const std::string& line) {
    const std::string whole = line + "\n";
    REQUIRE(write(to_, whole.data(), whole.size()) == static_cast<ssize_t>(whole.size()));
  }
  // The next line, which must be one JSON-RPC message; discarded at the end of the stream.
  Json next() {
    while (true) {
      const size_t end = rest_.find('\n');
      if (end != std::string::npos) {
        const Json message = Json::parse(rest_.substr(0, end), nullptr, false);
        rest_.erase(0, end + 1);
        REQUIRE(message.is_object());
        REQUIRE(message.at("jsonrpc") == "2.0");
        return message;
      }
      char buffer[4096];
      const ssize_t size = read(from_, buffer, sizeof buffer);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return Json(Json::value_t::discarded);
      rest_.append(buffer, static_cast<size_t>(size));
    }
  }
  Json ask(int id, const std::string& method, const Json& params = Json::object()) {
    send(Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}}.dump());
    const Json answer = next();
    REQUIRE(answer.at("id") == id);
    return answer;
  }
  Json initialize(const std::string& revision) {
    const Json answer = ask(0, "initialize",
                            {{"protocolVersion", revision},
                             {"capabilities", Json::object()},
                             {"clientInfo", {{"name", "host"}, {"version", "1"}}}});
    send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    return answer;
  }
  // Ends stdin; what is still written must be messages. The exit code.
  int end() {
    close(std::exchange(to_, -1));
    return wait();
  }
  void hang_up() { REQUIRE(kill(pid_, SIGHUP) == 0); }
  int terminate() {
    REQUIRE(kill(pid_, SIGTERM) == 0);
    return wait();
  }

 private:
  int wait() {
    while (!next().is_discarded()) {
    }
    CHECK(rest_.empty());
    int status = 0;
    REQUIRE(waitpid(std::exchange(pid_, -1), &status, 0) > 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
  std::string rest_;
};

}  // namespace khipu::tests
