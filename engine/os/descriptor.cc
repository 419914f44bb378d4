#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "engine/base/assert.h"
#include "engine/os/posix_error.h"
#include "engine/os/process.h"
#include "engine/os/standard_input.h"

namespace khipu::os {

Result<size_t> read_inherited(int descriptor, std::span<uint8_t> into) {
  if (descriptor < 3) return Error{Code::kInvalid, "a descriptor handed in has a number from 3"};
  size_t size = 0;
  while (size < into.size()) {
    const ssize_t got = ::read(descriptor, into.data() + size, into.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      if (errno == EBADF) return Error{Code::kInvalid, "descriptor " + std::to_string(descriptor) + " is not open"};
      return system_error("descriptor " + std::to_string(descriptor), "read", errno);
    }
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  ::close(descriptor);
  return size;
}

Result<std::unique_ptr<StandardInput>> StandardInput::open() {
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) return system_error("standard input", "eventfd", errno);
  return std::unique_ptr<StandardInput>(new StandardInput(STDIN_FILENO, wake));
}

Result<std::unique_ptr<StandardInput>> StandardInput::open(const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  Descriptor from(retry_interrupted([&] { return ::open(path.c_str(), kFlags); }));
  if (!from.valid()) return system_error(path, "open", errno);
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) return system_error(path, "eventfd", errno);
  return std::unique_ptr<StandardInput>(new StandardInput(from.release(), wake));
}

StandardInput::~StandardInput() {
  ::close(wake_);
  if (from_ != STDIN_FILENO) ::close(from_);
}

void StandardInput::stop() { ::eventfd_write(wake_, 1); }

Result<size_t> StandardInput::read(std::span<uint8_t> into) {
  for (;;) {
    KHIPU_TRY_ASSIGN(const std::optional<size_t> got, read(into, -1));
    if (got) return *got;
  }
}

Result<std::optional<size_t>> StandardInput::read(std::span<uint8_t> into, int timeout_ms) {
  const std::string_view name = from_ == STDIN_FILENO ? "standard input" : "pipe";
  for (;;) {
    pollfd wanted[] = {{from_, POLLIN, 0}, {wake_, POLLIN, 0}};
    const int ready = ::poll(wanted, 2, timeout_ms);
    if (ready < 0) {
      if (errno == EINTR) continue;
      return system_error(name, "poll", errno);
    }
    if (ready == 0) return std::optional<size_t>();
    if (wanted[1].revents != 0) return std::optional<size_t>(0);
    const ssize_t got = ::read(from_, into.data(), into.size());
    if (got >= 0) return std::optional<size_t>(static_cast<size_t>(got));
    if (errno != EINTR && errno != EAGAIN) return system_error(name, "read", errno);
  }
}

Result<void> write_stream(const std::string& path, Bytes content) {
  const Descriptor to(retry_interrupted([&] { return ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY); }));
  if (!to.valid()) return system_error(path, "open", errno);
  return write_descriptor(to.get(), path, content);
}

Result<void> write_descriptor(int descriptor, const std::string& name, Bytes content) {
  while (!content.empty()) {
    const ssize_t size = retry_interrupted([&] { return ::write(descriptor, content.data(), content.size()); });
    if (size < 0) return system_error(name, "write", errno);
    content = content.subspan(static_cast<size_t>(size));
  }
  return {};
}

void open_standard_descriptors() {
  // The contrary direction each, so that their use is an error as it was while they were closed.
  constexpr int kModes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) >= 0) continue;
    KHIPU_ASSERT(::open("/dev/null", kModes[number]) == number);  // the lowest that is free
  }
}

}  // namespace khipu::os
