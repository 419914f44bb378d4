#include "engine/os/pages.h"

#include <sys/mman.h>

#include "engine/base/assert.h"
#include "engine/os/posix_error.h"

namespace khipu::os {

Result<std::unique_ptr<Pages>> Pages::take(uint64_t size) {
  if (size == 0) return std::unique_ptr<Pages>(new Pages(nullptr, 0));
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return system_error("memory", "mmap", errno);
  return std::unique_ptr<Pages>(new Pages(static_cast<uint8_t*>(at), size));
}

void Pages::clear(uint64_t from, uint64_t to) const {
  KHIPU_ASSERT(from <= to && to <= size_);
  (void)::madvise(data_ + from, to - from, MADV_DONTNEED);  // where it cannot, they stay
}

Pages::~Pages() {
  if (size_ > 0) ::munmap(data_, size_);
}

void prefer_large_pages(const void* from, size_t size) {
  constexpr uintptr_t kPage = 4096, kLarge = 2U << 20;
  if (size < kLarge / 4) return;
  // Outwards to whole pages, which what lies beside it in the same heap shares: so neighbours make one run of pages.
  const uintptr_t start = reinterpret_cast<uintptr_t>(from) / kPage * kPage;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(from) + size + kPage - 1) / kPage * kPage;
  (void)::madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
}

}  // namespace khipu::os
