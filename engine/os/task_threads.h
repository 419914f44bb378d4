// A thread for each task, as it comes, up to a cap: for connections, which may each take as long as they like. Not a
// pool: nothing waits behind a thread that is busy.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace khipu::os {

// Any thread. wait() before it is destroyed.
class TaskThreads {
 public:
  explicit TaskThreads(size_t threads_max) : threads_max_(threads_max) {}
  // False: there are as many as may be and a quarter of a second later still, or the system gives no more; the task was
  // not run.
  bool run(std::function<void()> task);
  // Until every task has ended.
  void wait();

 private:
  void join_finished();

  const size_t threads_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, std::thread> running_;  // guarded by mutex_, as are the next two
  std::vector<std::thread> finished_;
  uint64_t last_ = 0;
};

}  // namespace khipu::os
