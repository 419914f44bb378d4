#include "mcp/transport/stdio.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mcp/transport/line_writer.h"

namespace khipu::mcp::transport {
namespace {

constexpr size_t kReadSizeBytes = 64 * 1024;
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
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int writer_wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0 || writer_wake < 0) return system_error("eventfd");
  return std::unique_ptr<Stdio>(new Stdio(input, output, wake, writer_wake, std::move(options)));
}

Stdio::Stdio(int input, int output, int wake, int writer_wake, StdioOptions options)
    : input_(input), wake_(wake), parent_(::getppid()), options_(std::move(options)) {
  const auto on_broken = [this] {
    options_.log("the client no longer reads");
    stop();
  };
  writer_ = std::make_unique<LineWriter>(output, writer_wake, options_.queue_size_bytes_max, on_broken);
}

Stdio::~Stdio() {
  writer_.reset();
  ::close(input_);
  ::close(wake_);
}

void Stdio::stop() { ::eventfd_write(wake_, 1); }

bool Stdio::run(jsonrpc::Handler& handler) {
  Event event = Event::kInput;
  while (event == Event::kInput) {
    event = wait_for_input();
    if (event == Event::kInput) event = read_lines(handler);
  }
  bool is_idle = event == Event::kEnd && handler.drain(options_.drain_max);
  if (!is_idle) {
    handler.cancel_all();
    is_idle = handler.drain(options_.stop_max);
  }
  writer_->close(options_.flush_max);
  return is_idle;
}

Stdio::Event Stdio::wait_for_input() const {
  while (true) {
    pollfd descriptors[2] = {{input_, POLLIN, 0}, {wake_, POLLIN, 0}};
    const int ready = ::poll(descriptors, 2, options_.exit_when_orphaned ? kParentCheckMs : -1);
    if (ready < 0 && errno != EINTR) return Event::kStop;
    if (ready > 0 && descriptors[1].revents != 0) return Event::kStop;
    if (ready > 0) return Event::kInput;
    if (options_.exit_when_orphaned && ::getppid() != parent_) return Event::kStop;
  }
}

Stdio::Event Stdio::read_lines(jsonrpc::Handler& handler) {
  std::array<char, kReadSizeBytes> buffer;
  const ssize_t count = ::read(input_, buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN ? Event::kInput : Event::kEnd;
  if (count == 0) {
    if (!is_dropping_) take_line(partial_, handler);  // a last line without its end counts
    return Event::kEnd;
  }
  std::string_view bytes(buffer.data(), static_cast<size_t>(count));
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (!is_dropping_ && partial_.size() + part.size() > options_.line_size_bytes_max) {
      options_.log("dropped a line of more than " + std::to_string(options_.line_size_bytes_max) + " bytes");
      is_dropping_ = true;
      partial_ = {};
    }
    if (!is_dropping_) partial_ += part;
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (!is_dropping_) take_line(partial_, handler);
    is_dropping_ = false;
    partial_.clear();
  }
  return Event::kInput;
}

void Stdio::take_line(std::string_view line, jsonrpc::Handler& handler) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!is_blank(line)) handler.receive(line, *writer_);
}

}  // namespace khipu::mcp::transport
