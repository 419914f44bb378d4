// How thorough an exhaustive test is. The release suite tries everything; under a sanitizer, where the same takes ten
// times as long, tests that go through every operation, byte or bit of something take every so-manieth. KHIPU_SOAK set:
// everything, everywhere.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace khipu::tests {

inline bool soaking() { return std::getenv("KHIPU_SOAK") != nullptr; }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// The step to go on by: 1, or `sanitized` where a sanitizer makes everything slow.
inline uint64_t stride(uint64_t sanitized) { return kSanitized && !soaking() ? sanitized : 1; }

}  // namespace khipu::tests
