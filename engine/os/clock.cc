#include "engine/os/clock.h"

#include <sys/random.h>

#include <cerrno>
#include <ctime>

#include "engine/base/assert.h"

namespace khipu::os {
namespace {

int64_t microseconds(clockid_t clock) {
  timespec time{};
  KHIPU_ASSERT(::clock_gettime(clock, &time) == 0);
  return static_cast<int64_t>(time.tv_sec) * 1000000 + time.tv_nsec / 1000;
}

class SystemClock final : public Clock {
 public:
  TimeUs now() const override { return microseconds(CLOCK_REALTIME); }
  int64_t boot_us() const override { return microseconds(CLOCK_BOOTTIME); }
};

class SystemRandom final : public Random {
 public:
  void fill(std::span<uint8_t> into) override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::getrandom(into.data() + done, into.size() - done, 0);
      if (got < 0 && errno == EINTR) continue;
      // Without randomness there are no uids and no keys, and no caller could do anything about it.
      KHIPU_ASSERT(got > 0);
      done += static_cast<size_t>(got);
    }
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

Random& system_random() {
  static SystemRandom random;
  return random;
}

}  // namespace khipu::os
