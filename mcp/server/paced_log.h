// Words for the operator that a client can bring about as often as it likes: the same ones once a minute, and of
// different ones a few.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace khipu::mcp::server {

// Any thread.
class PacedLog {
 public:
  using Log = std::function<void(std::string_view)>;
  explicit PacedLog(Log log) : log_(std::move(log)) {}
  void tell(const std::string& text) {
    constexpr size_t kTextsMax = 16;
    const auto now = std::chrono::steady_clock::now();
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(told_, [&](const auto& told) { return now - told.second >= std::chrono::minutes(1); });
      if (told_.size() == kTextsMax || !told_.emplace(text, now).second) return;
    }
    if (log_) log_(text);
  }
  // What was wrong is right again: the next time is told at once.
  void forget() {
    const std::lock_guard lock(mutex_);
    told_.clear();
  }

 private:
  const Log log_;
  std::mutex mutex_;
  std::map<std::string, std::chrono::steady_clock::time_point> told_;  // guarded by mutex_
};

}  // namespace khipu::mcp::server
