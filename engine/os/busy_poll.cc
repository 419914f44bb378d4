#include "engine/os/busy_poll.h"

#include <atomic>

#include <poll.h>
#include <sched.h>

namespace khipu::os {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::microseconds kLookMax{200};

std::atomic<bool> somebody_looks = false;

bool has_two_processors() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  return ::sched_getaffinity(0, sizeof usable, &usable) == 0 && CPU_COUNT(&usable) > 1;
}

}  // namespace

bool BusyPoll::look(int descriptor) {
  static const bool is_worthwhile = has_two_processors();
  began_ = Steady::now();
  if (!is_quick_ || !is_worthwhile || somebody_looks.exchange(true)) return false;
  pollfd input{descriptor, POLLIN, 0};
  int ready = 0;
  while ((ready = ::poll(&input, 1, 0)) == 0 && Steady::now() - began_ < kLookMax) {
  }
  somebody_looks = false;
  return ready > 0;
}

void BusyPoll::came() { is_quick_ = Steady::now() - began_ < kLookMax; }

}  // namespace khipu::os
