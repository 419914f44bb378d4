// SHA-256 in the lanes of the processor's wide registers. For hash_lanes.cc and for the tests, which try each kernel:
// everybody else uses Sha256Batch and sha256_pairs() of hash.h.
#pragma once

#include <array>
#include <span>

#include "engine/crypto/hash.h"

namespace khipu::crypto {

constexpr size_t kLanesMost = 16;

// libIPSec_MB's SHA256_ARGS: word w of lane l is state[w][l], however many lanes a kernel has. Kernels take it
// unaligned (and g++ 12's ASan does not align what is on its own stack to more than 32 bytes).
struct LaneArgs {
  std::array<std::array<uint32_t, kLanesMost>, 8> state;
  std::array<const uint8_t*, kLanesMost> next;  // 64-byte blocks; a kernel leaves it behind those it has read
};

struct LaneKernel {
  const char* name;
  size_t lanes;
  size_t worth;                                       // a block of every lane takes as long as so many one by one
  void (*compress)(LaneArgs* args, uint32_t blocks);  // so many blocks of every lane
};

// What this build and this processor have, the fastest first; may be none.
std::span<const LaneKernel> lane_kernels();

// As its namesake in hash.h.
void sha256_pairs(const LaneKernel& kernel, uint8_t prefix, std::span<const Hash> children, std::span<Hash> parents);

}  // namespace khipu::crypto
