// Standard input as it comes, read by one thread and called off by another. Not here: lines (engine/cli).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/base/result.h"

namespace khipu::os {

// Owner: the thread that reads; stop() from any.
class StandardInput {
 public:
  static Result<std::unique_ptr<StandardInput>> open();
  ~StandardInput();
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

  // Waits for bytes and reads what is there; 0 at the end, and once it was stopped.
  Result<size_t> read(std::span<uint8_t> into);
  void stop();

 private:
  explicit StandardInput(int wake) : wake_(wake) {}
  const int wake_;
};

}  // namespace khipu::os
