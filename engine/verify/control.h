// What a caller can do to a verification under way: stop it, bound its time, watch it. And ordered work on several
// threads, so that the report does not depend on their number.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/os/clock.h"

namespace khipu::verify {

// Any thread.
class Control {
 public:
  using Progress = std::function<void(uint64_t done_bytes, uint64_t total_bytes)>;
  Control(os::Clock& clock, std::optional<int64_t> budget_us, const std::atomic<bool>* cancelled, Progress progress)
      : clock_(clock), cancelled_(cancelled), progress_(std::move(progress)) {
    if (budget_us) deadline_ = clock.boot_us() + *budget_us;
  }
  void set_total(uint64_t bytes) { total_ = bytes; }
  // After each part of the work. True: go on.
  bool advance(uint64_t bytes);
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_ != nullptr && cancelled_->load(); }

 private:
  os::Clock& clock_;
  const std::atomic<bool>* cancelled_;
  Progress progress_;
  std::optional<int64_t> deadline_;
  std::atomic<uint64_t> done_{0};
  std::atomic<uint64_t> total_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;  // one progress call at a time
};

// work(0) .. work(count-1) on `threads` threads, results consumed on the calling thread in order. At most
// threads + 2 results wait. consume() returning false ends it early.
template <typename T>
void in_order(size_t threads, size_t count, const std::function<T(size_t)>& work,
              const std::function<bool(size_t, T)>& consume) {
  if (threads <= 1 || count <= 1) {
    for (size_t i = 0; i < count; ++i) {
      if (!consume(i, work(i))) return;
    }
    return;
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::optional<T>> done(count);
  size_t next = 0, consumed = 0;
  bool ended = false;
  const size_t window = threads + 2;
  const auto run = [&] {
    for (;;) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return ended || next >= count || next < consumed + window; });
      if (ended || next >= count) return;
      const size_t i = next++;
      lock.unlock();
      T result = work(i);
      lock.lock();
      done[i] = std::move(result);
      lock.unlock();
      changed.notify_all();
    }
  };
  std::vector<std::jthread> pool;
  for (size_t i = 0; i < std::min(threads, count); ++i) pool.emplace_back(run);
  for (size_t i = 0; i < count; ++i) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done[i].has_value(); });
    T result = std::move(*done[i]);
    done[i].reset();
    consumed = i + 1;
    lock.unlock();
    changed.notify_all();
    if (consume(i, std::move(result))) continue;
    lock.lock();
    ended = true;
    lock.unlock();
    changed.notify_all();
    return;
  }
}

}  // namespace khipu::verify
