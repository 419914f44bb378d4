#include "engine/verify/control.h"

namespace khipu::verify {

bool Control::advance(uint64_t bytes) {
  const uint64_t done = done_.fetch_add(bytes) + bytes;
  if (cancelled() || (deadline_ && clock_.boot_us() >= *deadline_)) stopped_ = true;
  if (progress_) {
    const std::lock_guard lock(mutex_);
    progress_(std::min(done, total_.load()), total_.load());
  }
  return !stopped();
}

}  // namespace khipu::verify
