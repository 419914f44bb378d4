// Lines of a stream with their place, bounded. Not here: what a line means.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "engine/base/result.h"

namespace khipu::cli {

struct InputLine {
  uint64_t number = 0;  // from 1
  uint64_t offset = 0;  // of its first byte
  std::string text;     // without the line break
};

class LineInput {
 public:
  LineInput(std::FILE* from, uint64_t line_size_bytes_max) : from_(from), size_max_(line_size_bytes_max) {}
  // False at the end. kLimit for a line that is too long, kIo when the stream cannot be read.
  Result<bool> next(InputLine& line) {
    line = {++number_, offset_, {}};
    int c = 0;
    while ((c = getc_unlocked(from_)) != EOF && c != '\n') {
      if (line.text.size() == size_max_) {
        return Error{Code::kLimit,
                     "line " + std::to_string(number_) + ": longer than " + std::to_string(size_max_) + " bytes"};
      }
      line.text += static_cast<char>(c);
    }
    if (std::ferror(from_) != 0) return Error{Code::kIo, "standard input: cannot be read"};
    offset_ += line.text.size() + (c == '\n' ? 1 : 0);
    return c == '\n' || !line.text.empty();
  }

 private:
  std::FILE* from_;
  uint64_t size_max_;
  uint64_t number_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace khipu::cli
