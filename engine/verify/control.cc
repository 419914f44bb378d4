#include "engine/verify/control.h"

#include "engine/base/assert.h"

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

Crew::~Crew() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
}

void Crew::start(size_t count, std::function<void()> work) {
  KHIPU_ASSERT(count <= threads_);
  {
    const std::lock_guard lock(mutex_);
    KHIPU_ASSERT(working_ == 0);
    work_ = std::move(work);
    due_ = working_ = count;
  }
  while (pool_.size() < count) pool_.emplace_back([this] { serve(); });
  changed_.notify_all();
}

void Crew::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return working_ == 0; });
}

void Crew::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ended_ || due_ > 0; });
    if (ended_) return;
    --due_;
    lock.unlock();
    work_();
    lock.lock();
    if (--working_ == 0) changed_.notify_all();
  }
}

void Leftovers::leave(std::function<void()> part) {
  bool at_once = true;
  {
    const std::lock_guard lock(mutex_);
    at_once = at_once_;
    if (!at_once) parts_.push_back(std::move(part));
  }
  if (at_once) return part();
  changed_.notify_all();
}

}  // namespace khipu::verify
