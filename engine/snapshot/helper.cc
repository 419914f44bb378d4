#include "engine/snapshot/helper.h"

#include <thread>
#include <utility>

namespace khipu::snapshot {

Helper::Helper(unsigned threads_max) : helps_(threads_max > 1 && std::thread::hardware_concurrency() > 1) {}

Helper::~Helper() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.wait();
}

bool Helper::offer(const std::function<void()>& work) {
  const std::lock_guard lock(mutex_);
  if (!started_) started_ = thread_.run([this] { stand_by(); });
  if (!started_ || offered_ != nullptr || running_ != nullptr) return false;
  offered_ = &work;
  changed_.notify_all();
  return true;
}

void Helper::share(const std::function<void()>& work) {
  const bool offered = helps_ && offer(work);
  work();
  if (!offered) return;
  std::unique_lock lock(mutex_);
  if (offered_ == &work) offered_ = nullptr;
  changed_.wait(lock, [&] { return running_ != &work; });
}

void Helper::stand_by() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || offered_ != nullptr; });
    if (ending_) return;
    const std::function<void()>* const work = std::exchange(offered_, nullptr);
    running_ = work;
    lock.unlock();
    (*work)();
    lock.lock();
    running_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace khipu::snapshot
