// A bounded queue between two threads: whoever is ahead waits. Not here: what goes through, who starts the threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "engine/base/assert.h"

namespace khipu {

// Any thread may call any member.
template <typename T>
class Channel {
 public:
  explicit Channel(size_t capacity) : capacity_(capacity) { KHIPU_ASSERT(capacity > 0); }

  // Waits for room. False when the channel is closed: the item is dropped.
  bool put(T item) {
    std::unique_lock hold(mutex_);
    moved_.wait(hold, [&] { return closed_ || items_.size() < capacity_; });
    if (closed_) return false;
    items_.push_back(std::move(item));
    moved_.notify_all();
    return true;
  }
  // Waits for an item. nullopt when the channel is closed and nothing is left in it.
  std::optional<T> take() {
    std::unique_lock hold(mutex_);
    moved_.wait(hold, [&] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    moved_.notify_all();
    return item;
  }
  // Nothing more comes; what is in it can still be taken.
  void close() {
    const std::lock_guard hold(mutex_);
    closed_ = true;
    moved_.notify_all();
  }
  // Nobody takes any more: what is in it is dropped as well.
  void abandon() {
    const std::lock_guard hold(mutex_);
    closed_ = true;
    items_.clear();
    moved_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  std::deque<T> items_;
  size_t capacity_;
  bool closed_ = false;
};

}  // namespace khipu
