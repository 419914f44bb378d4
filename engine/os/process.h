// This process and the machine it runs on: ids and names for diagnostics, and its core dumps.
// Not here: signals and privileges (engine/daemon).
#pragma once

#include <cstdint>
#include <string>

namespace khipu::os {

uint64_t process_id();
uint32_t effective_user_id();
std::string host_name();  // "unknown" when the kernel does not say

// PR_SET_DUMPABLE 0: no core dump, no ptrace by others, /proc/PID owned by root. For processes that hold secrets.
void disable_core_dumps();

}  // namespace khipu::os
