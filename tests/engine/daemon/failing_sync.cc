// Preloaded into a real writer: once the file KHIPU_FAILING_SYNC names exists, fdatasync fails with EIO, as on a dying
// disk. Not here: failures of single operations, which the fake disk of tests/support makes.
#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

extern "C" int fdatasync(int fd) {
  using Sync = int (*)(int);
  static const auto real = reinterpret_cast<Sync>(::dlsym(RTLD_NEXT, "fdatasync"));
  const char* trigger = std::getenv("KHIPU_FAILING_SYNC");
  if (trigger != nullptr && ::access(trigger, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  return real(fd);
}
