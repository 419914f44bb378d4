#include "engine/os/task_threads.h"

#include <chrono>
#include <system_error>
#include <utility>

namespace khipu::os {
namespace {
constexpr std::chrono::milliseconds kRoomWaitMax{250};
}

bool TaskThreads::run(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  // Those that were told to end make room in a moment, on a busy machine in some more.
  if (!changed_.wait_for(lock, kRoomWaitMax, [this] { return running_.size() < threads_max_; })) return false;
  join_finished();
  const uint64_t number = ++last_;
  // The lock is held until the thread is in the map: it can find itself there when it ends.
  try {
    running_.emplace(number, std::thread([this, number, task = std::move(task)] {
                       task();
                       const std::lock_guard ended(mutex_);
                       const auto self = running_.find(number);
                       finished_.push_back(std::move(self->second));
                       running_.erase(self);
                       changed_.notify_all();
                     }));
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

void TaskThreads::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return running_.empty(); });
  join_finished();
}

void TaskThreads::join_finished() {
  for (std::thread& thread : finished_) thread.join();  // each has nothing left to do but to leave the lock
  finished_.clear();
}

}  // namespace khipu::os
