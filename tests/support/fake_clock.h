// A clock that stands still until a test moves it. Any thread.
#pragma once

#include <atomic>

#include "engine/os/clock.h"

namespace khipu::tests {

class FakeClock final : public os::Clock {
 public:
  explicit FakeClock(TimeUs now = 1781500027000000 /* 2026-06-15T05:07:07Z */) : now_(now) {}
  TimeUs now() const override { return now_; }
  int64_t boot_us() const override { return boot_; }

  // Time passes: both clocks run.
  void advance_us(int64_t by) {
    now_ += by;
    boot_ += by;
  }
  // Somebody sets the wall clock; time since boot does not step.
  void set_wall(TimeUs now) { now_ = now; }

 private:
  std::atomic<TimeUs> now_;
  std::atomic<int64_t> boot_{1000000000};
};

}  // namespace khipu::tests
