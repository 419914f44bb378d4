// Bytes written front to back through a pointer: one look at the capacity an entry, no zeroes written first, and what
// was allocated stays when it is emptied. Internal to this room.
#pragma once

#include <algorithm>
#include <memory>

#include "engine/base/bytes.h"

namespace khipu::index {

class Out {
 public:
  // A place for at least `size` more bytes. What is written there counts once end_at() was told where it ends.
  uint8_t* room(size_t size) {
    if (capacity_ - size_ < size) grow(size);
    return data_.get() + size_;
  }
  void end_at(const uint8_t* end) { size_ = static_cast<size_t>(end - data_.get()); }
  template <typename T>
  void put_le(T value) {
    uint8_t* const at = room(sizeof value);
    store_le(at, value);
    end_at(at + sizeof value);
  }
  void put(Bytes bytes) {
    uint8_t* const at = room(bytes.size());
    end_at(std::copy(bytes.begin(), bytes.end(), at));
  }
  void clear() { size_ = 0; }
  size_t size() const { return size_; }
  const uint8_t* data() const { return data_.get(); }
  uint8_t* data() { return data_.get(); }
  Bytes view() const { return {data_.get(), size_}; }

 private:
  void grow(size_t more) {
    const size_t capacity = std::max<size_t>({2 * capacity_, size_ + more, 4096});
    auto grown = std::make_unique_for_overwrite<uint8_t[]>(capacity);
    std::copy_n(data_.get(), size_, grown.get());
    data_ = std::move(grown);
    capacity_ = capacity;
  }
  std::unique_ptr<uint8_t[]> data_;
  size_t size_ = 0, capacity_ = 0;
};

}  // namespace khipu::index
