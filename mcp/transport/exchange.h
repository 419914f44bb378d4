// One HTTP request while it is answered: undecided until the handler says the first thing, then an answer or a stream.
//
// "Lazy" because a status cannot be taken back: whatever is refused is refused before a header has left, and a call
// that has nothing to tell on the way is answered as plain JSON.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "mcp/jsonrpc/channel.h"

namespace khipu::mcp::transport {

// Written by the handler's threads, read by the one that serves the connection. Keeps itself alive until done(), as the
// connection may be gone before the handler is.
class Exchange final : public jsonrpc::Outbox, public std::enable_shared_from_this<Exchange> {
 public:
  // `takes_stream`: whether the client takes an event stream. Beyond `queue_bytes_max` unread the client is given up.
  static std::shared_ptr<Exchange> create(bool takes_stream, size_t queue_bytes_max);

  void notify(std::string line) override;
  void respond(std::string line) override;
  void refuse(int http_status, std::string line) override;
  void open_stream() override;
  bool takes_stream() const override { return takes_stream_; }
  bool stands_apart() const override { return true; }
  void begin_session(const std::string& id) override;
  void done() override;

  enum class Shape { kUndecided, kAnswer, kStream };
  // Waits until it is decided, at most so long.
  Shape wait(std::chrono::milliseconds wait_max);
  bool is_done() const;
  // The connection is gone or given up: what still comes is dropped.
  void close();
  // Nobody will call done(): the handler did not take it.
  void release();

  // Once kAnswer: read without waiting.
  int status() const;
  std::string take_body();
  std::string session() const;

  // Once kStream: the events that are there, waited for at most so long. Empty and ended: the stream is over.
  struct Piece {
    std::string events;
    bool ended = false;
    bool broken = false;  // the queue ran over
  };
  Piece take_events(std::chrono::milliseconds wait_max);

 private:
  Exchange(bool takes_stream, size_t queue_bytes_max);
  void push(std::string_view line);  // with mutex_ held

  const bool takes_stream_;
  const size_t queue_bytes_max_;
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  Shape shape_ = Shape::kUndecided;
  int status_ = 0;
  std::string body_;
  std::string session_;
  std::string events_;
  bool done_ = false;
  bool closed_ = false;
  bool broken_ = false;
  std::shared_ptr<Exchange> self_;  // until done()
};

}  // namespace khipu::mcp::transport
