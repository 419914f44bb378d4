// Threads that run tool calls, with a bounded queue in front. Not here: what a task does, or how it is stopped.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace khipu::mcp::server {

class Task {
 public:
  virtual ~Task() = default;
  // One of the two is called, once; neither throws.
  virtual void run() = 0;
  virtual void refuse() = 0;  // the queue is full
};

// Thread-safe. The destructor runs what is queued and waits for it: cancel the calls first.
class WorkerPool {
 public:
  WorkerPool(size_t worker_count, size_t queue_count_max);
  ~WorkerPool();

  // If the queue is full the task is refused, before this returns.
  void submit(std::unique_ptr<Task> task);
  // Runs it on the calling thread, beside the workers: waking one and waiting for it costs more than a small task does.
  // False, and nothing was run: as many tasks as there are workers are at work or waiting.
  bool try_run_here(Task& task);

 private:
  void work();

  const size_t worker_count_;
  const size_t queue_count_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Task>> queue_;  // guarded by mutex_, as are the next two
  size_t running_count_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace khipu::mcp::server
