// KHIPU_ASSERT: our mistake, always compiled in. The world's doing (disk, wire, user) is an Error, never this.
#pragma once

namespace khipu {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace khipu

#define KHIPU_ASSERT(expression)                                             \
  (static_cast<bool>(expression) ? static_cast<void>(0)                      \
                                 : ::khipu::assertion_failed(#expression, __FILE__, __LINE__))
