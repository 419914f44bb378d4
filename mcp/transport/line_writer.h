// Protocol lines to one descriptor: whole, in order, and never blocking those who send. A line is written by whoever
// sends it while the client keeps up; what does not fit is written by a thread that may wait for the client.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "mcp/jsonrpc/channel.h"

namespace khipu::mcp::transport {

// Owns both descriptors. A client that does not read fills a queue here, not the threads of the server: a server that
// blocks on its output stops reading its input, and both sides wait for ever.
class LineWriter final : public jsonrpc::Outbox {
 public:
  // `on_broken` is called once, from any thread, when the output failed or the queue is full.
  LineWriter(int output, int wake, size_t queue_size_bytes_max, std::function<void()> on_broken);
  ~LineWriter() override;

  void notify(std::string line) override { send(std::move(line)); }
  void respond(std::string line) override { send(std::move(line)); }

  // Writes what is queued, for at most `wait_max`, and ends the thread. Later lines are dropped. True if all was
  // written.
  bool close(std::chrono::milliseconds wait_max);

 private:
  enum class State { kOpen, kClosing, kClosed };
  void send(std::string line);
  size_t write_now(std::string_view bytes);
  void work();
  bool write_all(std::string_view bytes);
  bool wait_until_writable();
  int patience_ms();

  const int output_;
  const int wake_;
  const size_t queue_size_bytes_max_;
  const std::function<void()> on_broken_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> queue_;  // guarded by mutex_, as are the next five
  size_t queue_size_bytes_ = 0;    // with what the thread is just writing
  bool writes_now_ = true;         // false: this descriptor cannot be written without waiting
  State state_ = State::kOpen;
  bool broken_ = false;
  std::chrono::steady_clock::time_point deadline_;  // set when closing
  std::thread thread_;
};

}  // namespace khipu::mcp::transport
