// How thorough an exhaustive test is. The release suite tries everything; under a sanitizer, where the same takes ten
// times as long, tests that go through every operation, byte or bit of something take every so-manieth. KHIPU_SOAK set:
// everything, everywhere.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace khipu::tests {

inline bool soaking() { return std::getenv("KHIPU_SOAK") != nullptr; }

// The step to go on by: 1, or `sanitized` where a sanitizer makes everything slow.
inline uint64_t stride([[maybe_unused]] uint64_t sanitized) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return soaking() ? 1 : sanitized;
#else
  return 1;
#endif
}

}  // namespace khipu::tests
