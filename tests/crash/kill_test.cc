// kill -9 of a full-speed writer in a process of its own, at random moments: it reopens, verifies, and every event
// whose acknowledgement reached the other end of the pipe is there exactly once with its targets (REFERENCE section 5
// #12). 10 rounds; more by hand: KHIPU_KILL_ROUNDS=200.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "tests/crash/harness.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

extern char** environ;

namespace khipu::tests {
namespace {

// Lines of a child's stdout.
struct Child {
  pid_t pid = -1;
  int out = -1;
  std::string buffer;

  static Child start(const std::string& program, const std::string& folder, int round) {
    Child child;
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const std::string number = std::to_string(round);
    std::string words[3] = {program, folder, number};
    char* argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    REQUIRE(posix_spawn(&child.pid, program.c_str(), &actions, nullptr, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    child.out = ends[0];
    return child;
  }
  // Reads what is there; false at the end.
  bool read_some(size_t size_max) {
    std::string block(size_max, '\0');
    const ssize_t got = read(out, block.data(), block.size());
    if (got <= 0) return false;
    buffer.append(block, 0, static_cast<size_t>(got));
    return true;
  }
  int reap() {
    int status = 0;
    waitpid(pid, &status, 0);
    close(out);
    return status;
  }
};

void take_lines(const std::string& text, Acknowledged& acknowledged) {
  for (size_t from = 0;;) {
    const size_t end = text.find('\n', from);
    if (end == std::string::npos) return;
    const size_t space = text.find(' ', from);
    acknowledged.seqs[text.substr(from, space - from)] = std::strtoull(text.c_str() + space + 1, nullptr, 10);
    from = end + 1;
  }
}

TEST_CASE("crash: kill -9 of a full-speed writer loses and doubles nothing that was acknowledged (P1)") {
  const char* more = std::getenv("KHIPU_KILL_ROUNDS");
  const int rounds = more == nullptr ? 10 : std::atoi(more);
  const std::string program = std::string(std::getenv("KHIPU_BIN")) + "/crash_writer";
  std::random_device device;
  const uint64_t seed = device();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  std::unique_ptr<TempDirectory> temp;
  Acknowledged acknowledged;
  uint64_t killed = 0;
  for (int round = 0; round < rounds; ++round) {
    if (round % 20 == 0) {  // a new log now and then: judging reads all of it
      temp = std::make_unique<TempDirectory>();
      acknowledged = {};
      const auto root = os::create_directory(temp->path() + "/root", 0750).value();
      const auto keys = os::create_directory(temp->path() + "/root.keys", 0700).value();
      REQUIRE(writer::initialize({*root, *keys, os::system_clock(), os::system_random()}, {"example.org/kill"}).ok());
    }
    INFO("round " << round);
    Child child = Child::start(program, temp->path(), round);
    // The moment: after so many bytes of answers, from none (while it opens) on.
    const size_t bytes = round % 10 == 9 ? 0 : random() % 60000;
    while (child.buffer.size() < bytes && child.read_some(1 + random() % 4096)) {
    }
    REQUIRE(kill(child.pid, SIGKILL) == 0);
    while (child.read_some(65536)) {
    }
    const int status = child.reap();
    REQUIRE(WIFSIGNALED(status));
    ++killed;
    take_lines(child.buffer, acknowledged);
    const auto root = os::open_directory(temp->path() + "/root").value();
    const auto keys = os::open_directory(temp->path() + "/root.keys").value();
    const Result<verify::Report> before = verify::run(*root, {});
    REQUIRE(before.ok());
    INFO("before recovery: " << describe(*before));
    REQUIRE(before->verdict == verify::Verdict::kPass);
    {
      auto writer = writer::Writer::open({*root, *keys, os::system_clock(), os::system_random()}, {});
      INFO((writer.ok() ? "" : writer.error().message));
      REQUIRE(writer.ok());
      REQUIRE((*writer)->close().ok());
    }
    const Result<verify::Report> report = verify::run(*root, {});
    REQUIRE(report.ok());
    INFO(describe(*report));
    REQUIRE(report->verdict == verify::Verdict::kPass);
    REQUIRE(judge_events(*root, acknowledged, [](const std::string& id) { return id.starts_with("r"); }) == "");
  }
  CHECK(killed == static_cast<uint64_t>(rounds));
}

}  // namespace
}  // namespace khipu::tests
