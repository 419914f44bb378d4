#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

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
  return std::unique_ptr<StandardInput>(new StandardInput(wake));
}

StandardInput::~StandardInput() { ::close(wake_); }

void StandardInput::stop() { ::eventfd_write(wake_, 1); }

Result<size_t> StandardInput::read(std::span<uint8_t> into) {
  for (;;) {
    pollfd wanted[] = {{STDIN_FILENO, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (::poll(wanted, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return system_error("standard input", "poll", errno);
    }
    if (wanted[1].revents != 0) return size_t{0};
    const ssize_t got = ::read(STDIN_FILENO, into.data(), into.size());
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR && errno != EAGAIN) return system_error("standard input", "read", errno);
  }
}

}  // namespace khipu::os
