// errno as an Error, and the descriptor type: what the files of this room share. Not for other rooms.
#pragma once

#include <cerrno>
#include <string_view>
#include <utility>

#include "engine/base/result.h"

namespace khipu::os {

// "NAME: OPERATION: text of the errno", under the Code that engine/os/file.h promises for it.
Error system_error(std::string_view name, std::string_view operation, int number);

// The one loop around calls that a signal may cut short.
template <typename Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  bool valid() const { return number_ >= 0; }

 private:
  int number_;
};

}  // namespace khipu::os
