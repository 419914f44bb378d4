// This process and the machine it runs on: ids and names for diagnostics, and its core dumps.
// Not here: signals and privileges (engine/daemon).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/base/result.h"

namespace khipu::os {

uint64_t process_id();
uint32_t effective_user_id();
std::string host_name();  // "unknown" when the kernel does not say

// PR_SET_DUMPABLE 0 and RLIMIT_CORE 0: no core dump, no ptrace by others, /proc/PID owned by root. For processes that
// hold secrets.
void disable_core_dumps();

// Puts /dev/null where descriptors 0 to 2 are closed: a file opened later must not become the standard output or error.
// Reading and writing there stays an error. The first thing a program does.
void open_standard_descriptors();

// Reads a descriptor that whoever started this process left open (--key-fd) to its end, at most into.size() bytes, and
// closes it. kInvalid for 0 to 2 and for one that is not open.
Result<size_t> read_inherited(int descriptor, std::span<uint8_t> into);

}  // namespace khipu::os
