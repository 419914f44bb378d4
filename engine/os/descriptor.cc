#include <unistd.h>

#include <cerrno>

#include "engine/os/posix_error.h"
#include "engine/os/process.h"

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

}  // namespace khipu::os
