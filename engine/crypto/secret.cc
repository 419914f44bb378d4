#include "engine/crypto/secret.h"

#include <sodium.h>

#include <algorithm>
#include <utility>

#include "engine/base/assert.h"

namespace khipu::crypto {

void init() {
  static const bool ready = sodium_init() >= 0;
  KHIPU_ASSERT(ready);
}

void wipe(std::span<uint8_t> bytes) { sodium_memzero(bytes.data(), bytes.size()); }

SecretBytes::SecretBytes(size_t size) : size_(size) {
  if (size == 0) return;
  init();
  data_ = static_cast<uint8_t*>(sodium_malloc(size));
  KHIPU_ASSERT(data_ != nullptr);
  sodium_memzero(data_, size);
}

SecretBytes SecretBytes::copy_of(Bytes bytes) {
  SecretBytes secret(bytes.size());
  std::copy(bytes.begin(), bytes.end(), secret.data_);
  return secret;
}

SecretBytes SecretBytes::random(size_t size) {
  SecretBytes secret(size);
  randombytes_buf(secret.data_, size);
  return secret;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SecretBytes::~SecretBytes() { sodium_free(data_); }  // wipes first; of nullptr it is nothing

}  // namespace khipu::crypto
