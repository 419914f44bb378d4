// Bytes that look random and are the same in every run. Any thread; which thread gets which bytes is its affair.
#pragma once

#include <mutex>
#include <random>

#include "engine/os/clock.h"

namespace khipu::tests {

class FakeRandom final : public os::Random {
 public:
  explicit FakeRandom(uint64_t seed = 1) : random_(seed) {}
  void fill(std::span<uint8_t> into) override {
    const std::lock_guard guard(mutex_);
    for (uint8_t& byte : into) byte = static_cast<uint8_t>(random_() >> 24);
  }

 private:
  std::mutex mutex_;
  std::mt19937_64 random_;
};

}  // namespace khipu::tests
