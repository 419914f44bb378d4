#include "engine/os/nameless_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "engine/os/posix_error.h"
#include "engine/os/posix_file.h"

namespace khipu::os {

Result<std::unique_ptr<File>> nameless_file(const std::string& folder) {
  constexpr int kFlags = O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC;
  Descriptor descriptor(retry_interrupted([&] { return ::open(folder.c_str(), kFlags, 0600); }));
  if (descriptor.valid()) return make_posix_file(std::move(descriptor), folder + "/(a file without a name)");
  const int number = errno;
  Error error = system_error(folder, "make a file without a name", number);
  // EISDIR, EINVAL: kernels and file systems that do not know the flag.
  if (number == EOPNOTSUPP || number == EISDIR || number == EINVAL) error.code = Code::kUnsupported;
  return error;
}

Result<std::unique_ptr<File>> memory_file(const std::string& purpose) {
  Descriptor descriptor(::memfd_create(purpose.c_str(), MFD_CLOEXEC));
  if (!descriptor.valid()) return system_error(purpose, "make a file in memory", errno);
  return make_posix_file(std::move(descriptor), purpose);
}

}  // namespace khipu::os
