#include "mcp/transport/stdio.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mcp/transport/line_writer.h"

namespace khipu::mcp::transport {
namespace {

constexpr int kReaders = 2;
// Ends a read() that waits. The other way, poll() on the input and the wake-up before each read(), costs every message
// a system call. By default it is ignored, and nobody else's timers and children send it.
constexpr int kNudge = SIGURG;
constexpr std::chrono::milliseconds kNudgePause{1};
constexpr int kParentCheckMs = 2000;

Error system_error(const char* what) { return Error{Code::kIo, std::string(what) + ": " + std::strerror(errno)}; }

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

Result<std::unique_ptr<Stdio>> Stdio::take_standard_streams(StdioOptions options) {
  const int input = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  if (input < 0) return system_error("stdin");
  const int output = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (output < 0) return system_error("stdout");
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0) return system_error("/dev/null");
  ::close(nothing);
  if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return system_error("stderr");
  return create(input, output, std::move(options));
}

Result<std::unique_ptr<Stdio>> Stdio::create(int input, int output, StdioOptions options) {
  // A client that has gone is an error of write(), not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  struct sigaction nudge {};
  nudge.sa_handler = [](int) {};  // without SA_RESTART: read() returns
  if (::sigaction(kNudge, &nudge, nullptr) != 0) return system_error("sigaction");
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int writer_wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0 || writer_wake < 0) return system_error("eventfd");
  return std::unique_ptr<Stdio>(new Stdio(input, output, wake, writer_wake, std::move(options)));
}

Stdio::Stdio(int input, int output, int wake, int writer_wake, StdioOptions options)
    : input_(input), wake_(wake), parent_(::getppid()), options_(std::move(options)), baton_(options_.patience) {
  const auto on_broken = [this] {
    options_.log("the client no longer reads");
    stop();
  };
  writer_ = std::make_unique<LineWriter>(output, writer_wake, options_.queue_size_bytes_max, on_broken);
}

Stdio::~Stdio() {
  join();
  writer_.reset();
  ::close(input_);
  ::close(wake_);
}

void Stdio::stop() { ::eventfd_write(wake_, 1); }

bool Stdio::run(jsonrpc::Handler& handler) {
  for (int count = 0; count < kReaders; ++count) threads_.emplace_back([this, &handler] { serve(handler); });
  const Event event = wait_until_ended();
  bool is_idle = event == Event::kEnd && handler.drain(options_.drain_max);
  if (!is_idle) {
    handler.cancel_all();
    is_idle = handler.drain(options_.stop_max);
  }
  writer_->close(options_.flush_max);
  if (is_idle) join();
  return is_idle;
}

// Until the input has ended, or stop() was called and whoever reads has left.
Stdio::Event Stdio::wait_until_ended() {
  for (bool is_over = false; !is_over;) {
    pollfd descriptor{wake_, POLLIN, 0};
    const int ready = ::poll(&descriptor, 1, options_.exit_when_orphaned ? kParentCheckMs : -1);
    is_over = ready > 0 || (ready < 0 && errno != EINTR) || (options_.exit_when_orphaned && ::getppid() != parent_);
  }
  is_stopping_ = true;
  std::unique_lock lock(mutex_);
  // Again and again: a nudge between the look at is_stopping_ and read() is lost.
  while (!ended_.wait_for(lock, kNudgePause, [this] { return event_ != Event::kInput; })) {
    if (is_reading_) ::pthread_kill(reader_, kNudge);
  }
  return event_;
}

void Stdio::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Stdio::serve(jsonrpc::Handler& handler) {
  sigset_t nudge;
  sigemptyset(&nudge);
  sigaddset(&nudge, kNudge);
  ::pthread_sigmask(SIG_UNBLOCK, &nudge, nullptr);  // a mask is inherited from whoever started us
  std::string line;
  while (baton_.take()) {
    {
      const std::lock_guard lock(mutex_);
      reader_ = ::pthread_self();
    }
    for (bool is_holder = true; is_holder;) {
      if (!take_line(line)) {
        const Event event = read_more();
        if (event == Event::kInput) continue;
        // A last line without its end counts.
        if (event == Event::kEnd && !is_dropping_ && !is_blank(partial_)) handler.receive(partial_, *writer_);
        baton_.end();
        const std::lock_guard lock(mutex_);
        event_ = event;
        ended_.notify_all();
        ::eventfd_write(wake_, 1);
        return;
      }
      // What is there already does not wait for this line: it goes to other threads, and the last one stays with us.
      if (unread_.find('\n') != std::string_view::npos) {
        handler.receive(line, *writer_);
        continue;
      }
      uint64_t offer = 0;
      handler.receive_at_leisure(line, *writer_, [&] { return (offer = baton_.offer()) != 0; });
      is_holder = offer == 0 || baton_.reclaim(offer);
    }
  }
}

Stdio::Event Stdio::read_more() {
  if (is_stopping_) return Event::kStop;
  busy_poll_.look(input_);
  is_reading_.store(true, std::memory_order_relaxed);
  const ssize_t count = ::read(input_, buffer_.data(), buffer_.size());
  const int error = errno;
  is_reading_.store(false, std::memory_order_relaxed);
  if (count < 0 && error == EAGAIN) wait_for_input();
  if (count < 0) return error == EINTR || error == EAGAIN ? Event::kInput : Event::kEnd;
  if (count == 0) return Event::kEnd;
  busy_poll_.came();
  unread_ = std::string_view(buffer_.data(), static_cast<size_t>(count));
  return Event::kInput;
}

// Whoever started us may have handed us a descriptor that does not wait.
void Stdio::wait_for_input() const {
  pollfd descriptors[2] = {{input_, POLLIN, 0}, {wake_, POLLIN, 0}};
  ::poll(descriptors, 2, -1);
}

// The next line that is whole and not blank; false: more has to be read.
bool Stdio::take_line(std::string& line) {
  while (!unread_.empty()) {
    const size_t end = unread_.find('\n');
    const std::string_view part = unread_.substr(0, end);
    if (!is_dropping_ && partial_.size() + part.size() > options_.line_size_bytes_max) {
      options_.log("dropped a line of more than " + std::to_string(options_.line_size_bytes_max) + " bytes");
      is_dropping_ = true;
      partial_ = {};
    }
    if (!is_dropping_) partial_ += part;
    if (end == std::string_view::npos) {
      unread_ = {};
      return false;
    }
    unread_.remove_prefix(end + 1);
    line.swap(partial_);
    partial_.clear();
    if (std::exchange(is_dropping_, false)) continue;
    if (line.ends_with('\r')) line.pop_back();
    if (!is_blank(line)) return true;
  }
  return false;
}

}  // namespace khipu::mcp::transport
