// A thread that stands by to take a share of what a question waits for: tiles to be hashed. Internal to this room.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "engine/os/task_threads.h"

namespace khipu::snapshot {

// Any thread.
class Helper {
 public:
  // With `threads_max` 1, or one processor, nobody helps.
  explicit Helper(unsigned threads_max);
  ~Helper();
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;
  // Runs `work` here, and on the helper's thread too if that is free and comes to it before this one is done: `work`
  // itself shares out what there is to do. Nobody runs it any more when this returns.
  void share(const std::function<void()>& work);

 private:
  bool offer(const std::function<void()>& work);
  void stand_by();

  const bool helps_;
  std::mutex mutex_;  // guards the members below
  std::condition_variable changed_;
  const std::function<void()>* offered_ = nullptr;  // taken by nobody yet
  const std::function<void()>* running_ = nullptr;
  bool started_ = false, ending_ = false;
  os::TaskThreads thread_{1};
};

}  // namespace khipu::snapshot
