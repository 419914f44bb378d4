// Lines of a stream with their place, bounded. Not here: where its bytes come from, what a line means.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/bytes.h"
#include "engine/base/result.h"

namespace khipu::cli {

struct InputLine {
  uint64_t number = 0;    // from 1
  uint64_t offset = 0;    // of its first byte
  std::string_view text;  // without the line break; until the next one is asked for
};

// Owner: one thread.
class LineInput {
 public:
  // Waits for bytes and gives what is there: a line that has come does not wait for the next one. 0 at the end.
  using Read = std::function<Result<size_t>(std::span<uint8_t>)>;
  LineInput(Read read, uint64_t line_size_bytes_max) : read_(std::move(read)), size_max_(line_size_bytes_max) {}

  // False at the end. kLimit for a line that is too long, and what reading failed with.
  Result<bool> next(InputLine& line);
  // Behind kLimit: reads to the end of the line that was too long, and gives its place, its size and its first
  // `kept_size` bytes, at most the limit.
  struct PassedOver {
    InputLine line;
    uint64_t size = 0;
  };
  Result<PassedOver> pass_over(size_t kept_size);

 private:
  Result<void> read_on();

  Read read_;
  const uint64_t size_max_;
  Buffer buffer_;
  size_t begin_ = 0, end_ = 0;  // of what is in it and was not given yet
  bool ended_ = false;
  uint64_t number_ = 0, offset_ = 0;
  std::string kept_;  // what pass_over() gave
};

}  // namespace khipu::cli
