#include "mcp/server/worker_pool.h"

namespace khipu::mcp::server {

WorkerPool::WorkerPool(size_t worker_count, size_t queue_count_max)
    : worker_count_(worker_count), queue_count_max_(queue_count_max) {
  for (size_t count = 0; count < worker_count; ++count) workers_.emplace_back([this] { work(); });
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void WorkerPool::submit(std::unique_ptr<Task> task) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() < queue_count_max_) queue_.push_back(std::move(task));
  }
  if (task != nullptr) return task->refuse();
  changed_.notify_one();
}

bool WorkerPool::try_run_here(Task& task) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() + running_count_ >= worker_count_) return false;
    ++running_count_;
  }
  task.run();
  const std::lock_guard lock(mutex_);
  --running_count_;
  return true;
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::unique_ptr<Task> task = std::move(queue_.front());
    queue_.pop_front();
    ++running_count_;
    lock.unlock();
    task->run();
    task.reset();
    lock.lock();
    --running_count_;
  }
}

}  // namespace khipu::mcp::server
