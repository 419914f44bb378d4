// Memory taken from the kernel in pages and given back to it at once, for what is large and comes and goes: the
// allocator keeps what was freed, and pages that were touched once stay resident in it. And the allocator's own memory
// in large pages, for what will be filled. Not here: maps of files (file.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

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
  // Gives bytes [from, to) back, both at a multiple of the page size or at the end: what they say afterwards is
  // unknown.
  void clear(uint64_t from, uint64_t to) const;

 private:
  Pages(uint8_t* data, uint64_t size) : data_(data), size_(size) {}
  uint8_t* const data_;  // nullptr: of no bytes
  const uint64_t size_;
};

// Of memory that is about to be written all over: the kernel may give it in pages of 2 MiB, where one of 4 KiB costs as
// much as reading its share of a segment. Advice: nothing comes of it where there are none, and nothing else changes.
void prefer_large_pages(const void* from, size_t size);

// For a process that does one large piece of work and ends, before its first thread: one heap for all threads, in large
// pages for its first 256 MiB, which keeps what was freed. A first touch of pages of 4 KiB is a tenth of a
// verification.
void use_one_large_heap();

// reserve(), of which all is about to be used.
template <typename T>
void reserve_large(std::vector<T>& vector, size_t count) {
  if (count <= vector.capacity()) return;
  vector.reserve(count);
  prefer_large_pages(vector.data(), vector.capacity() * sizeof(T));
}

}  // namespace khipu::os
