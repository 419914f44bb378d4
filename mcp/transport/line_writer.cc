#include "mcp/transport/line_writer.h"

#include <cerrno>
#include <climits>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

namespace khipu::mcp::transport {

LineWriter::LineWriter(int output, int wake, size_t queue_size_bytes_max, std::function<void()> on_broken)
    : output_(output),
      wake_(wake),
      queue_size_bytes_max_(queue_size_bytes_max),
      on_broken_(std::move(on_broken)),
      thread_([this] { work(); }) {}

LineWriter::~LineWriter() {
  close(std::chrono::milliseconds(0));
  ::close(output_);
  ::close(wake_);
}

void LineWriter::send(std::string line) {
  line += '\n';
  bool is_full = false;
  {
    const std::lock_guard lock(mutex_);
    if (broken_ || state_ != State::kOpen) return;
    if (queue_size_bytes_ == 0 && writes_now_) {
      const size_t written = write_now(line);
      if (written == line.size()) return;
      line.erase(0, written);
    }
    is_full = queue_size_bytes_ + line.size() > queue_size_bytes_max_;
    if (is_full) {
      broken_ = true;
    } else {
      queue_size_bytes_ += line.size();
      queue_.push_back(std::move(line));
    }
  }
  changed_.notify_one();
  if (is_full) on_broken_();
}

// As much as goes without waiting; with mutex_ held, so that no other line comes between. Whatever is wrong with the
// descriptor is found by the thread.
size_t LineWriter::write_now(std::string_view bytes) {
  // Per call: O_NONBLOCK would be set for whoever started us too, who shares the description.
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  const ssize_t written = ::pwritev2(output_, &piece, 1, -1, RWF_NOWAIT);
  if (written < 0 && errno != EAGAIN && errno != EINTR) writes_now_ = false;
  return written < 0 ? 0 : static_cast<size_t>(written);
}

bool LineWriter::close(std::chrono::milliseconds wait_max) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kOpen) {
      state_ = State::kClosing;
      deadline_ = std::chrono::steady_clock::now() + wait_max;
    }
  }
  changed_.notify_one();
  ::eventfd_write(wake_, 1);  // the thread may be waiting for the client, without a deadline
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  state_ = State::kClosed;
  return !broken_ && queue_.empty();
}

void LineWriter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return broken_ || state_ != State::kOpen || !queue_.empty(); });
    if (broken_ || queue_.empty()) return;
    const std::string line = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const bool is_written = write_all(line);
    lock.lock();
    queue_size_bytes_ -= line.size();
    if (is_written) continue;
    const bool was_broken = std::exchange(broken_, true);
    lock.unlock();
    if (!was_broken) on_broken_();
    return;
  }
}

bool LineWriter::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!wait_until_writable()) return false;
    // A writable pipe takes PIPE_BUF bytes without blocking; more could block for as long as the client likes.
    // O_NONBLOCK is no way out: the description is shared with whoever started us.
    const ssize_t written = ::write(output_, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

bool LineWriter::wait_until_writable() {
  while (true) {
    pollfd descriptors[2] = {{output_, POLLOUT, 0}, {wake_, POLLIN, 0}};
    const int timeout_ms = patience_ms();
    const bool is_closing = timeout_ms >= 0;
    if (timeout_ms == 0) return false;
    // Once closing, the wake-up has done its work, and only the output and the deadline count.
    const int ready = ::poll(descriptors, is_closing ? 1 : 2, timeout_ms);
    if (ready < 0 && errno != EINTR) return false;
    if (ready == 0 && is_closing) return false;
    if (ready > 0 && (descriptors[0].revents & POLLOUT) != 0) return true;
    if (ready > 0 && (descriptors[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return false;
  }
}

int LineWriter::patience_ms() {
  const std::lock_guard lock(mutex_);
  if (broken_) return 0;
  if (state_ == State::kOpen) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<int64_t>(0, left.count()));
}

}  // namespace khipu::mcp::transport
