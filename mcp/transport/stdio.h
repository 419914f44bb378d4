// Newline-delimited JSON over two descriptors: lines in to a Handler, lines out from any thread.
//
// It delivers and decides nothing. Nothing but protocol lines is ever written to the output; diagnostics go to `log`
// and never contain a payload. Specified in the MCP transports page, "stdio".
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <pthread.h>

#include "engine/base/result.h"
#include "engine/os/busy_poll.h"
#include "mcp/jsonrpc/channel.h"
#include "mcp/transport/baton.h"

namespace khipu::mcp::transport {

class LineWriter;

struct StdioOptions {
  size_t line_size_bytes_max = size_t{4} << 20;    // a longer line is dropped, and the next one read
  size_t queue_size_bytes_max = size_t{64} << 20;  // unread output; beyond it the client is given up
  std::chrono::microseconds patience{1000};        // a call that takes longer has another thread read on
  // The end of input: answers to what was already asked are waited for this long, then the calls are stopped.
  std::chrono::milliseconds drain_max{400};
  std::chrono::milliseconds stop_max{200};   // how long stopped calls may take to notice
  std::chrono::milliseconds flush_max{200};  // how long the client may take to read what is left
  bool exit_when_orphaned = false;           // stop when the parent process is gone: some hosts leave stdin open
  std::function<void(std::string_view)> log = [](std::string_view) {};
};

// Owns both descriptors. run() belongs to one thread; stop() may be called from any thread and from a signal handler.
// Two threads of its own take turns at reading (baton.h): the one that reads a request also runs it and writes the
// answer, unless more requests have come behind it.
class Stdio {
 public:
  // The process's own streams. From here on descriptor 0 is empty and descriptor 1 is stderr, so a library that prints
  // cannot break the protocol.
  static Result<std::unique_ptr<Stdio>> take_standard_streams(StdioOptions options);
  static Result<std::unique_ptr<Stdio>> create(int input, int output, StdioOptions options);
  ~Stdio();
  Stdio(const Stdio&) = delete;
  Stdio& operator=(const Stdio&) = delete;

  // Serves until the end of input, stop(), or a client that no longer reads. Returns within the three waits of the
  // options. False: a call did not stop; the process should exit without waiting for it (std::_Exit).
  bool run(jsonrpc::Handler& handler);
  void stop();

 private:
  Stdio(int input, int output, int wake, int writer_wake, StdioOptions options);
  enum class Event { kInput, kEnd, kStop };
  void serve(jsonrpc::Handler& handler);
  Event wait_until_ended();
  void wait_for_input() const;
  Event read_more();
  bool take_line(std::string& line);
  void join();

  const int input_;
  const int wake_;
  const int parent_;
  const StdioOptions options_;
  std::unique_ptr<LineWriter> writer_;

  Baton baton_;  // whoever holds it reads, and has the next five
  os::BusyPoll busy_poll_;
  std::array<char, 64 * 1024> buffer_;
  std::string_view unread_;   // what of buffer_ was not looked at
  std::string partial_;       // a line whose end has not come yet
  bool is_dropping_ = false;  // within a line that is too long

  std::atomic<bool> is_stopping_ = false;
  std::atomic<bool> is_reading_ = false;  // whoever holds the baton may be waiting within read()
  std::mutex mutex_;
  std::condition_variable ended_;
  Event event_ = Event::kInput;  // guarded by mutex_, as is the next; another one is the last
  pthread_t reader_ = 0;         // who took the baton last
  std::vector<std::thread> threads_;
};

}  // namespace khipu::mcp::transport
