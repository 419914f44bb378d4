// libIPSec_MB's SHA-256 kernels (sixteen lanes with AVX-512, eight with AVX2) without its job manager: for messages of
// a few hundred bytes, handing out the lanes there takes twice as long as the hashing. The kernels are in its static
// library; no header of it declares them, so .cmake/Packages.cmake takes no version but the one they are declared from.
#include "engine/crypto/hash_lanes.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "engine/base/assert.h"

namespace khipu::crypto {

#ifdef KHIPU_IPSEC_MB
// lib/include/ipsec_ooo_mgr.h of its 1.3.
extern "C" void call_sha256_x16_avx512_from_c(LaneArgs* args, uint32_t blocks);
extern "C" void call_sha256_oct_avx2_from_c(LaneArgs* args, uint32_t blocks);
static_assert(offsetof(LaneArgs, next) == 512);

std::span<const LaneKernel> lane_kernels() {
  static const std::vector<LaneKernel> found = [] {
    std::vector<LaneKernel> all;
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (wide) all.push_back({"AVX-512", 16, call_sha256_x16_avx512_from_c});
    if (__builtin_cpu_supports("avx2")) all.push_back({"AVX2", 8, call_sha256_oct_avx2_from_c});
    return all;
  }();
  return found;
}
static bool has_sha_ni() { return __builtin_cpu_supports("sha"); }
#else
std::span<const LaneKernel> lane_kernels() { return {}; }
static bool has_sha_ni() { return false; }  // nobody asks
#endif

namespace {

constexpr std::array<uint32_t, 8> kInitialState = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,  // FIPS 180-4 5.3.3
                                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr size_t kPairSize = 1 + 2 * sizeof(Hash);
constexpr size_t kPairBlocksSize = 128;
// Fewer than this are faster one by one: all lanes cost the same with most of them empty.
constexpr size_t kMessagesMin = 4;

// nullptr: one by one. Eight lanes are no faster than that where libcrypto has SHA-NI.
const LaneKernel* best_kernel() {
  static const LaneKernel* const best = [] {
    const std::span<const LaneKernel> all = lane_kernels();
    return all.empty() || (all.front().lanes < kLanesMost && has_sha_ni()) ? nullptr : &all.front();
  }();
  return best;
}

// A message, and room for its padding up to `end`, the end of a block (FIPS 180-4 5.1.1).
void pad(uint8_t* message, size_t size, uint8_t* end) {
  uint8_t* const padding = message + size;
  std::memset(padding, 0, static_cast<size_t>(end - padding));
  *padding = 0x80;
  store_be<uint64_t>(end - sizeof(uint64_t), uint64_t{size} * 8);
}

void begin(LaneArgs& args) {
  for (size_t word = 0; word < kInitialState.size(); ++word) args.state[word].fill(kInitialState[word]);
}
void take_hash(const LaneArgs& args, size_t lane, Hash& hash) {
  for (size_t word = 0; word < kInitialState.size(); ++word) store_be(&hash[4 * word], args.state[word][lane]);
}

}  // namespace

void sha256_pairs(const LaneKernel& kernel, uint8_t prefix, std::span<const Hash> children, std::span<Hash> parents) {
  KHIPU_ASSERT(children.size() == 2 * parents.size());
  std::array<std::array<uint8_t, kPairBlocksSize>, kLanesMost> messages;
  for (auto& message : messages) {
    message.fill(0);
    message[0] = prefix;
    pad(message.data(), kPairSize, message.data() + message.size());
  }
  LaneArgs args;
  for (size_t first = 0; first < parents.size(); first += kernel.lanes) {
    const size_t count = std::min(kernel.lanes, parents.size() - first);
    for (size_t lane = 0; lane < count; ++lane) {
      std::memcpy(&messages[lane][1], children[2 * (first + lane)].data(), 2 * sizeof(Hash));
    }
    for (size_t lane = 0; lane < kernel.lanes; ++lane) args.next[lane] = messages[lane].data();
    begin(args);
    kernel.compress(&args, kPairBlocksSize / 64);
    for (size_t lane = 0; lane < count; ++lane) take_hash(args, lane, parents[first + lane]);
  }
}

void sha256_pairs(uint8_t prefix, std::span<const Hash> children, std::span<Hash> parents) {
  KHIPU_ASSERT(children.size() == 2 * parents.size());
  const LaneKernel* const kernel = best_kernel();
  if (kernel != nullptr && parents.size() >= kMessagesMin) return sha256_pairs(*kernel, prefix, children, parents);
  for (size_t i = 0; i < parents.size(); ++i) parents[i] = sha256_pair(prefix, children[2 * i], children[2 * i + 1]);
}

Sha256Batch::Sha256Batch() : Sha256Batch(best_kernel()) {}
Sha256Batch::Sha256Batch(const LaneKernel* kernel) : kernel_(kernel) {}

bool Sha256Batch::add(uint8_t prefix, Bytes message) {
  if (!fits(message) || count_ == kMessagesMax) return false;
  const Message added{static_cast<uint32_t>(used_), static_cast<uint32_t>(1 + message.size())};
  const size_t end = used_ + added.blocks() * kBlockSize;
  if (end > kSizeBytes) return false;
  if (bytes_ == nullptr) bytes_ = std::make_unique_for_overwrite<uint8_t[]>(kSizeBytes);
  uint8_t* const to = bytes_.get() + used_;
  *to = prefix;
  std::copy(message.begin(), message.end(), to + 1);
  pad(to, added.size, bytes_.get() + end);
  messages_[count_++] = added;
  used_ = end;
  return true;
}

// Messages of the same number of blocks go together, in as many lanes as there are.
void Sha256Batch::finish(std::span<Hash> hashes) {
  KHIPU_ASSERT(hashes.size() == count_);
  const size_t count = std::exchange(count_, 0);
  used_ = 0;
  if (kernel_ == nullptr || count < kMessagesMin) {
    for (size_t i = 0; i < count; ++i) hashes[i] = sha256(Bytes(bytes_.get() + messages_[i].offset, messages_[i].size));
    return;
  }
  std::array<uint16_t, kBlocksMax + 2> begins{};  // by blocks: where in `sorted` they begin
  for (size_t i = 0; i < count; ++i) ++begins[messages_[i].blocks() + 1];
  for (size_t blocks = 1; blocks < begins.size(); ++blocks) begins[blocks] += begins[blocks - 1];
  std::array<uint16_t, kMessagesMax> sorted;
  for (size_t i = 0; i < count; ++i) sorted[begins[messages_[i].blocks()]++] = static_cast<uint16_t>(i);

  LaneArgs args;
  for (size_t first = 0; first < count; first += kernel_->lanes) {
    const std::span group = std::span(sorted).subspan(first, std::min(kernel_->lanes, count - first));
    begin(args);
    for (size_t lane = 0; lane < group.size(); ++lane) args.next[lane] = bytes_.get() + messages_[group[lane]].offset;
    size_t done = 0;
    for (size_t lane = 0; lane < group.size();) {
      // A kernel reads for all lanes: those without a message, or at its end, are given what the last one reads.
      std::fill(args.next.begin() + static_cast<ptrdiff_t>(group.size()), args.next.end(), args.next[group.size() - 1]);
      std::fill_n(args.next.begin(), lane, args.next[group.size() - 1]);
      const size_t until = messages_[group[lane]].blocks();
      kernel_->compress(&args, static_cast<uint32_t>(until - done));
      done = until;
      for (; lane < group.size() && messages_[group[lane]].blocks() == done; ++lane) {
        take_hash(args, lane, hashes[group[lane]]);
      }
    }
  }
}

}  // namespace khipu::crypto
