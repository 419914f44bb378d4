#include "engine/os/process.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/catch.h"

namespace khipu::os {
namespace {

// In a child, for the descriptors are those of the whole process: 0, or which check failed.
template <typename Checks>
int in_child(Checks checks) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(checks());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST_CASE("process: closed standard descriptors are taken by /dev/null, and their use stays an error") {
  CHECK(in_child([] {
          for (const int number : {0, 1, 2}) ::close(number);
          open_standard_descriptors();
          struct stat null {};
          if (::stat("/dev/null", &null) != 0) return 1;
          for (const int number : {0, 1, 2}) {
            struct stat status {};
            if (::fstat(number, &status) != 0 || status.st_rdev != null.st_rdev) return 2;
          }
          char byte = 0;
          if (::read(0, &byte, 1) != -1 || errno != EBADF) return 3;
          if (::write(1, &byte, 1) != -1 || ::write(2, &byte, 1) != -1 || errno != EBADF) return 4;
          return ::open("/dev/null", O_RDONLY) == 3 || ::fcntl(3, F_GETFD) >= 0 ? 0 : 5;
        }) == 0);
}

TEST_CASE("process: open standard descriptors stay as they are") {
  CHECK(in_child([] {
          struct stat before {
          }, after{};
          if (::fstat(2, &before) != 0) return 1;
          ::close(0);
          open_standard_descriptors();
          if (::fstat(2, &after) != 0 || before.st_ino != after.st_ino) return 2;
          return 0;
        }) == 0);
}

}  // namespace
}  // namespace khipu::os
