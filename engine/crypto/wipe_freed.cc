#include "engine/crypto/wipe_freed.h"

#include <malloc.h>
#include <sodium.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> wiping = false;

constexpr size_t kStackBytes = 64 << 10;

[[gnu::noinline]] void wipe_below() {
  volatile uint8_t below[kStackBytes];
  for (size_t i = 0; i < kStackBytes; i += 8) *reinterpret_cast<volatile uint64_t*>(&below[i]) = 0;
}

}  // namespace

namespace khipu::crypto {

void wipe_freed_memory() { wiping.store(true, std::memory_order_relaxed); }

void wipe_stack() {
  if (wiping.load(std::memory_order_relaxed)) wipe_below();
}

}  // namespace khipu::crypto

// Sanitizers bring their own; there nothing is wiped.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {

void* take(size_t size) {
  if (size == 0) size = 1;
  for (;;) {
    if (void* const memory = std::malloc(size)) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) return nullptr;
    handler();
  }
}
void* take(size_t size, std::align_val_t alignment) {
  const auto align = static_cast<size_t>(alignment);
  return std::aligned_alloc(align, (size + align - 1) / align * align + (size == 0 ? align : 0));
}
void* need(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();  // what the language asks of operator new
  return memory;
}
void give(void* memory) {
  if (memory != nullptr && wiping.load(std::memory_order_relaxed)) sodium_memzero(memory, malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

void* operator new(size_t size) { return need(take(size)); }
void* operator new[](size_t size) { return need(take(size)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return take(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return take(size); }
void* operator new(size_t size, std::align_val_t alignment) { return need(take(size, alignment)); }
void* operator new[](size_t size, std::align_val_t alignment) { return need(take(size, alignment)); }
void operator delete(void* memory) noexcept { give(memory); }
void operator delete[](void* memory) noexcept { give(memory); }
void operator delete(void* memory, size_t) noexcept { give(memory); }
void operator delete[](void* memory, size_t) noexcept { give(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { give(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { give(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { give(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { give(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { give(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { give(memory); }

#endif
