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

void Leftovers::leave(std::function<void()> part) {
  if (at_once_) return part();
  {
    const std::lock_guard lock(mutex_);
    parts_.push_back(std::move(part));
  }
  changed_.notify_all();
}

}  // namespace khipu::verify
