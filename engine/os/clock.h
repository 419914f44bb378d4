// Time and randomness of the machine, handed in by constructor so that tests can hold them still.
#pragma once

#include <span>

#include "engine/base/ids.h"

namespace khipu::os {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimeUs now() const = 0;       // CLOCK_REALTIME
  virtual int64_t boot_us() const = 0;  // CLOCK_BOOTTIME: never steps, runs through suspend
};
Clock& system_clock();

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<uint8_t> into) = 0;  // getrandom; aborts if the kernel cannot
};
Random& system_random();

}  // namespace khipu::os
