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

// The threads of one run, which one in_order() after another works with: starting them, and what each allocates for
// hashing many at once, costs about a millisecond. They are started when first asked for. Owner: one thread.
class Crew {
 public:
  explicit Crew(size_t threads) : threads_(threads) {}
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  size_t threads() const { return threads_; }
  // Calls `work` on each of `count` of the threads. Once; then wait() until all of them have come back from it.
  void start(size_t count, std::function<void()> work);
  void wait();

 private:
  void serve();
  const size_t threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> work_;
  size_t due_ = 0, working_ = 0;  // calls not begun, and not ended
  bool ended_ = false;
  std::vector<std::jthread> pool_;  // the last: it ends before the others
};

class Leftovers;
// work(0) .. work(count-1) on the crew's threads, results consumed on the calling thread in order. At most threads + 2
// results wait, and about as many leftovers. consume() returning false ends it early. work(i) may wait for what
// consume() does about a job in front of it.
template <typename T>
void in_order(Crew& crew, size_t count, const std::function<T(size_t)>& work,
              const std::function<bool(size_t, T)>& consume, Leftovers* leftovers = nullptr);

// Parts of in_order()'s jobs whose results nobody waits for in order. As long as there are jobs for all threads, a job
// does its part itself, while what it needs is at hand; towards the end it leaves it to a thread that has nothing
// better to do. Of one in_order(), and not before it. Any thread.
class Leftovers {
 public:
  // Those that in_order() was ended before are dropped.
  void leave(std::function<void()> part);

 private:
  template <typename T>
  friend void in_order(Crew& crew, size_t count, const std::function<T(size_t)>& work,
                       const std::function<bool(size_t, T)>& consume, Leftovers* leftovers);
  bool at_once_ = true;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> parts_;
};

template <typename T>
void in_order(Crew& crew, size_t count, const std::function<T(size_t)>& work,
              const std::function<bool(size_t, T)>& consume, Leftovers* leftovers) {
  const size_t threads = crew.threads();
  if (threads <= 1 || count <= 1) {
    for (size_t i = 0; i < count; ++i) {
      if (!consume(i, work(i))) return;
    }
    return;
  }
  Leftovers none;
  Leftovers& left = leftovers != nullptr ? *leftovers : none;
  std::mutex& mutex = left.mutex_;
  std::condition_variable& changed = left.changed_;
  std::deque<std::function<void()>>& parts = left.parts_;
  std::vector<std::optional<T>> done(count);
  size_t next = 0, consumed = 0, working = 0;
  bool ended = false;
  const size_t window = threads + 2;
  left.at_once_ = count > threads;
  const auto run = [&] {
    const auto has_job = [&] { return next < count && next < consumed + window; };
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return ended || has_job() || !parts.empty() || (next >= count && working == 0); });
      if (ended) return;
      // Jobs come first: without their results the calling thread has nothing to do. Short parts fill up the end.
      if (!parts.empty() && (parts.size() >= threads || !has_job())) {
        const std::function<void()> part = std::move(parts.front());
        parts.pop_front();
        lock.unlock();
        part();
        lock.lock();
      } else if (has_job()) {
        const size_t i = next++;
        left.at_once_ = count - next > threads;
        ++working;
        lock.unlock();
        T result = work(i);
        lock.lock();
        done[i] = std::move(result);
        --working;
        changed.notify_all();
      } else {
        return;
      }
    }
  };
  struct Wait {
    Crew& crew;
    ~Wait() { crew.wait(); }
  };
  crew.start(std::min(threads, count), run);
  const Wait wait{crew};
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
