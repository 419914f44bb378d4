#include "tests/support/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "engine/base/assert.h"
#include "tests/support/temp_directory.h"

namespace khipu::tests {
namespace {

std::vector<char*> words_of(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  return words;
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

std::string program(const std::string& name) { return std::string(std::getenv("KHIPU_BIN")) + "/" + name; }

Ran run(const std::vector<std::string>& command, const std::string& input) {
  const TempDirectory files;
  std::ofstream(files / "in", std::ios::binary) << input;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, (files / "in").c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, (files / "out").c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, (files / "err").c_str(), O_WRONLY | O_CREAT, 0600);
  std::vector<char*> words = words_of(command);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return {127, "", "cannot run " + command[0]};
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return {exit_code(status), content(files / "out"), content(files / "err")};
}

Process::Process(const std::vector<std::string>& command) {
  int ends[2];
  KHIPU_ASSERT(pipe2(ends, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  std::vector<char*> words = words_of(command);
  KHIPU_ASSERT(posix_spawnp(&pid_, words[0], &actions, nullptr, words.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  errors_from_ = ends[0];
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    wait();
  }
  close(errors_from_);
}

std::string Process::wait_for(const std::string& text) {
  while (true) {
    for (size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
      const std::string line = rest_.substr(0, end);
      rest_.erase(0, end + 1);
      if (line.find(text) != std::string::npos) return line;
    }
    char buffer[4096];
    const ssize_t size = read(errors_from_, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return "";
    errors_.append(buffer, static_cast<size_t>(size));
    rest_.append(buffer, static_cast<size_t>(size));
  }
}

void Process::signal(int number) { kill(pid_, number); }

int Process::wait() {
  wait_for("\n");  // no line holds a line break: reads to the end, so that the process never waits for us
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return exit_code(status);
}

}  // namespace khipu::tests
