// Memory taken from the kernel in pages and given back to it at once, for what is large and comes and goes: the
// allocator keeps what was freed, and pages that were touched once stay resident in it. Not here: maps of files
// (file.h).
#pragma once

#include <cstdint>
#include <memory>

#include "engine/base/result.h"

namespace khipu::os {

// Zeroes, until written. A page that nobody touched is not resident.
class Pages {
 public:
  static Result<std::unique_ptr<Pages>> take(uint64_t size);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  uint8_t* data() const { return data_; }

 private:
  Pages(uint8_t* data, uint64_t size) : data_(data), size_(size) {}
  uint8_t* const data_;  // nullptr: of no bytes
  const uint64_t size_;
};

}  // namespace khipu::os
