#include "engine/os/pages.h"

#include <sys/mman.h>

#include "engine/os/posix_error.h"

namespace khipu::os {

Result<std::unique_ptr<Pages>> Pages::take(uint64_t size) {
  if (size == 0) return std::unique_ptr<Pages>(new Pages(nullptr, 0));
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return system_error("memory", "mmap", errno);
  return std::unique_ptr<Pages>(new Pages(static_cast<uint8_t*>(at), size));
}

Pages::~Pages() {
  if (size_ > 0) ::munmap(data_, size_);
}

}  // namespace khipu::os
