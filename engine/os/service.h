// What a long-running process needs from its surroundings: its signals, its supervisor, a child whose output it reads.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace khipu::os {

enum class Signal { kTerminate, kInterrupt, kHangup };

// From construction on SIGTERM, SIGINT and SIGHUP interrupt nobody: they wait here. Made by main's thread before any
// other thread starts (threads inherit the mask); SIGPIPE is ignored from then on.
class Signals {
 public:
  // A long-running process waits for all three, whatever it was started with. What ends by itself leaves alone those
  // that were ignored when it was started (nohup, a shell's background jobs).
  enum class Ignored { kWaitFor, kLeave };
  explicit Signals(Ignored ignored = Ignored::kWaitFor);
  // The next signal, or nullopt after `timeout_ms`.
  std::optional<Signal> wait(int timeout_ms);
  // Ends a wait of another thread at once, which sees a hangup that nobody sent.
  void wake();

 private:
  std::vector<int> numbers_;
};

// RLIMIT_NOFILE: raises the soft limit to the hard one, and says what it is. Whoever calls it uses no select(2).
uint64_t raise_open_files_limit();

// New files of this process get no bits for others.
void restrict_umask();

// sd_notify(3): one state line such as "READY=1" to the socket named by NOTIFY_SOCKET; nothing when there is none.
void notify_supervisor(std::string_view state);

// Runs a program (looked up in PATH, no shell) and hands its standard output to `take` piece by piece; its errors go to
// our stderr. kNotFound when there is no such program, kIo when it ends with another status than 0. An Error from
// `take` stops the child and is returned.
Result<void> run_and_read(const std::vector<std::string>& command,
                          const std::function<Result<void>(std::string_view)>& take);

}  // namespace khipu::os
