#include "engine/cli/line_input.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace khipu::cli {
namespace {
constexpr size_t kReadSize = 256 * 1024;
}

Result<bool> LineInput::next(InputLine& line) {
  ++number_;
  for (size_t searched = 0;;) {
    const uint8_t* const from = buffer_.data() + begin_;
    const size_t size = end_ - begin_;
    const void* const newline = size > searched ? std::memchr(from + searched, '\n', size - searched) : nullptr;
    const size_t length = newline != nullptr ? static_cast<size_t>(static_cast<const uint8_t*>(newline) - from) : size;
    if (length > size_max_) {
      return Error{Code::kLimit,
                   "line " + std::to_string(number_) + ": longer than " + std::to_string(size_max_) + " bytes"};
    }
    if (newline == nullptr && !ended_) {
      searched = size;
      KHIPU_TRY(read_on());
      continue;
    }
    line = {number_, offset_, as_text(Bytes(from, length))};
    const size_t taken = length + (newline != nullptr ? 1 : 0);
    begin_ += taken;
    offset_ += taken;
    return taken > 0;
  }
}

Result<LineInput::PassedOver> LineInput::pass_over(size_t kept_size) {
  kept_.assign(as_text(Bytes(buffer_.data() + begin_, std::min(kept_size, end_ - begin_))));
  PassedOver passed{{number_, offset_, kept_}, 0};
  for (;;) {
    const uint8_t* const from = buffer_.data() + begin_;
    const void* const newline = end_ > begin_ ? std::memchr(from, '\n', end_ - begin_) : nullptr;
    const size_t length =
        newline != nullptr ? static_cast<size_t>(static_cast<const uint8_t*>(newline) - from) : end_ - begin_;
    begin_ += length;
    passed.size += length;
    if (newline != nullptr || ended_) {
      begin_ += newline != nullptr ? 1 : 0;
      offset_ += passed.size + (newline != nullptr ? 1 : 0);
      return passed;
    }
    KHIPU_TRY(read_on());
  }
}

Result<void> LineInput::read_on() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kReadSize) buffer_.resize(std::max(2 * buffer_.size(), end_ + kReadSize));
  KHIPU_TRY_ASSIGN(const size_t got, read_(std::span(buffer_).subspan(end_)));
  end_ += got;
  ended_ = got == 0;
  return {};
}

}  // namespace khipu::cli
