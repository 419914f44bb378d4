#include "engine/os/pages.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <limits>

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

void use_one_large_heap() {
  constexpr int kKept = 256 << 20, kMappedFrom = 32 << 20;  // glibc takes no more for the latter
  (void)::mallopt(M_ARENA_MAX, 1);
  (void)::mallopt(M_MMAP_THRESHOLD, kMappedFrom);
  (void)::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  (void)::mallopt(M_TOP_PAD, kKept);
  // The heap grows by as much: addresses, of which nothing is resident yet.
  const std::unique_ptr<char[]> first = std::make_unique_for_overwrite<char[]>(1 << 20);
  const auto from = reinterpret_cast<uintptr_t>(first.get()), to = reinterpret_cast<uintptr_t>(::sbrk(0));
  if (to > from && to - from <= 2 * uintptr_t{kKept}) prefer_large_pages(first.get(), to - from);
}

}  // namespace khipu::os
