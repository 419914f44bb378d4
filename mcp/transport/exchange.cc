#include "mcp/transport/exchange.h"

#include <utility>

#include "mcp/transport/sse.h"

namespace khipu::mcp::transport {

namespace {
constexpr int kOk = 200;
constexpr int kAccepted = 202;
}  // namespace

std::shared_ptr<Exchange> Exchange::create(bool takes_stream, size_t queue_bytes_max) {
  std::shared_ptr<Exchange> exchange(new Exchange(takes_stream, queue_bytes_max));
  exchange->self_ = exchange;
  return exchange;
}

Exchange::Exchange(bool takes_stream, size_t queue_bytes_max)
    : takes_stream_(takes_stream), queue_bytes_max_(queue_bytes_max) {}

void Exchange::push(std::string_view line) {
  if (closed_ || broken_) return;
  std::string event = sse_event(line);
  broken_ = events_.size() + event.size() > queue_bytes_max_;
  if (broken_) {
    events_ = {};
  } else {
    events_ += event;
  }
  changed_.notify_all();
}

void Exchange::notify(std::string line) {
  const std::lock_guard lock(mutex_);
  if (shape_ == Shape::kUndecided && takes_stream_) shape_ = Shape::kStream;
  if (shape_ == Shape::kStream) push(line);
}

void Exchange::open_stream() {
  const std::lock_guard lock(mutex_);
  if (shape_ != Shape::kUndecided) return;
  shape_ = Shape::kStream;
  changed_.notify_all();
}

void Exchange::respond(std::string line) { refuse(kOk, std::move(line)); }

void Exchange::refuse(int http_status, std::string line) {
  const std::lock_guard lock(mutex_);
  if (shape_ == Shape::kStream) {
    if (!line.empty()) push(line);
    return;
  }
  if (shape_ == Shape::kAnswer) return;
  shape_ = Shape::kAnswer;
  status_ = http_status;
  body_ = std::move(line);
  changed_.notify_all();
}

void Exchange::begin_session(const std::string& id) {
  const std::lock_guard lock(mutex_);
  session_ = id;
}

void Exchange::done() {
  std::shared_ptr<Exchange> self;  // released after the lock
  const std::lock_guard lock(mutex_);
  self = std::move(self_);
  done_ = true;
  if (shape_ == Shape::kUndecided) {
    shape_ = Shape::kAnswer;
    status_ = kAccepted;
  }
  changed_.notify_all();
}

void Exchange::release() {
  std::shared_ptr<Exchange> self;
  const std::lock_guard lock(mutex_);
  self = std::move(self_);
}

Exchange::Shape Exchange::wait(std::chrono::milliseconds wait_max) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait_max, [this] { return shape_ != Shape::kUndecided; });
  return shape_;
}

bool Exchange::is_done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

void Exchange::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  events_ = {};
}

int Exchange::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

std::string Exchange::take_body() {
  const std::lock_guard lock(mutex_);
  return std::move(body_);
}

std::string Exchange::session() const {
  const std::lock_guard lock(mutex_);
  return session_;
}

Exchange::Piece Exchange::take_events(std::chrono::milliseconds wait_max) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait_max, [this] { return done_ || broken_ || !events_.empty(); });
  return {std::exchange(events_, {}), done_, broken_};
}

}  // namespace khipu::mcp::transport
