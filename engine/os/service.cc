#include "engine/os/service.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "engine/base/assert.h"
#include "engine/os/posix_error.h"

namespace khipu::os {
namespace {

sigset_t set_of(const std::vector<int>& numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  return set;
}

bool is_ignored(int number) {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Signals::Signals(Ignored ignored) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    if (ignored == Ignored::kWaitFor || !is_ignored(number)) numbers_.push_back(number);
  }
  const sigset_t set = set_of(numbers_);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

std::optional<Signal> Signals::wait(int timeout_ms) {
  const sigset_t set = set_of(numbers_);
  const timespec timeout{timeout_ms / 1000, (timeout_ms % 1000) * 1000000L};
  switch (sigtimedwait(&set, nullptr, &timeout)) {
    case SIGTERM: return Signal::kTerminate;
    case SIGINT: return Signal::kInterrupt;
    case SIGHUP: return Signal::kHangup;
    default: return std::nullopt;
  }
}

void Signals::wake() { ::kill(::getpid(), SIGHUP); }

uint64_t raise_open_files_limit() {
  rlimit limit{};
  KHIPU_ASSERT(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return raised.rlim_cur;
  return limit.rlim_cur;
}

void restrict_umask() { ::umask(0007); }

void notify_supervisor(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t size = std::strlen(path);
  if (size >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return;
  const auto address_size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  (void)::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                 address_size);
}

Result<void> run_and_read(const std::vector<std::string>& command,
                          const std::function<Result<void>(std::string_view)>& take) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error(command[0], "pipe", errno);
  Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to.get(), STDOUT_FILENO);
  // Signals that wait for us (Signals) end the child as they would have.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t set;
  sigemptyset(&set);
  posix_spawnattr_setsigmask(&attributes, &set);
  sigaddset(&set, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &set);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, words[0], &actions, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return system_error(command[0], "run", failed);
  to = Descriptor(-1);

  Result<void> outcome;
  std::vector<char> buffer(1 << 16);
  while (outcome.ok()) {
    const ssize_t count = retry_interrupted([&] { return ::read(from.get(), buffer.data(), buffer.size()); });
    if (count < 0) outcome = system_error(command[0], "read", errno);
    if (count <= 0) break;
    outcome = take({buffer.data(), static_cast<size_t>(count)});
  }
  if (!outcome.ok()) ::kill(child, SIGTERM);
  from = Descriptor(-1);
  int status = 0;
  retry_interrupted([&] { return ::waitpid(child, &status, 0); });
  if (outcome.ok() && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
    return Error{Code::kIo, command[0] + ": ended with " +
                                (WIFEXITED(status) ? "status " + std::to_string(WEXITSTATUS(status))
                                                   : "signal " + std::to_string(WTERMSIG(status)))};
  }
  return outcome;
}

}  // namespace khipu::os
