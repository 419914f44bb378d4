#include "engine/os/process.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>

#include "engine/base/assert.h"

namespace khipu::os {

uint64_t process_id() { return static_cast<uint64_t>(::getpid()); }

uint32_t effective_user_id() { return ::geteuid(); }

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "unknown";
  return name.data();
}

void disable_core_dumps() {
  KHIPU_ASSERT(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
  constexpr rlimit kNone{0, 0};
  KHIPU_ASSERT(::setrlimit(RLIMIT_CORE, &kNone) == 0);
}

}  // namespace khipu::os
