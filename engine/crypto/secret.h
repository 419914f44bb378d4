// Memory for long-lived secrets, and the start of libsodium. Not here: what the secrets are for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/base/bytes.h"

namespace khipu::crypto {

// sodium_init(), once for the process, thread-safe and cheap to call again. Everything in this room calls it itself.
void init();

// Overwrites in a way the compiler keeps. For secrets that had to lie in ordinary memory for a moment.
void wipe(std::span<uint8_t> bytes);

// Bytes in memory of their own: locked against swapping where the system allows it, left out of core dumps, between
// guard pages, overwritten at the end. Move-only, so that there is one copy. An allocation costs 16 us: keys, never
// values.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size);        // zeroes
  static SecretBytes copy_of(Bytes bytes);  // the caller wipes the original
  static SecretBytes random(size_t size);   // the kernel's randomness

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  Bytes bytes() const { return {data_, size_}; }
  std::span<uint8_t> writable() { return {data_, size_}; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace khipu::crypto
