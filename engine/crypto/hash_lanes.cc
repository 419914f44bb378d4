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
    if (wide) all.push_back({"AVX-512", 16, 6, call_sha256_x16_avx512_from_c});
    if (__builtin_cpu_supports("avx2")) all.push_back({"AVX2", 8, 3, call_sha256_oct_avx2_from_c});
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
constexpr size_t kBlockSize = 64;                     // FIPS 180-4 5.2.1
constexpr size_t kPaddingMin = 1 + sizeof(uint64_t);  // FIPS 180-4 5.1.1
constexpr size_t kPairSize = 1 + 2 * sizeof(Hash);
constexpr size_t kPairBlocksSize = 128;

// nullptr: one by one. Eight lanes are no faster than that where libcrypto has SHA-NI.
const LaneKernel* best_kernel() {
  static const LaneKernel* const best = [] {
    const std::span<const LaneKernel> all = lane_kernels();
    return all.empty() || (all.front().lanes < kLanesMost && has_sha_ni()) ? nullptr : &all.front();
  }();
  return best;
}

// Blocks of a message of so many bytes, with its padding.
constexpr size_t blocks_of(size_t size) { return (size + kPaddingMin + kBlockSize - 1) / kBlockSize; }

// Around a message of `size`, whose place in `blocks` is yet to be filled (FIPS 180-4 5.1.1).
void put_padding(std::span<uint8_t> blocks, size_t size) {
  // Zeroes in one go, more than there will be.
  if (blocks.size() == kBlockSize) {
    std::memset(blocks.data(), 0, kBlockSize);
  } else {
    std::memset(&blocks[blocks.size() - 2 * kBlockSize], 0, 2 * kBlockSize);
  }
  blocks[size] = 0x80;
  store_be<uint64_t>(&blocks[blocks.size() - sizeof(uint64_t)], uint64_t{size} * 8);
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
    put_padding(message, kPairSize);
    message[0] = prefix;
  }
  LaneArgs args;
  for (size_t first = 0; first < parents.size(); first += kernel.lanes) {
    const size_t count = std::min(kernel.lanes, parents.size() - first);
    for (size_t lane = 0; lane < count; ++lane) {
      std::memcpy(&messages[lane][1], children[2 * (first + lane)].data(), 2 * sizeof(Hash));
    }
    for (size_t lane = 0; lane < kernel.lanes; ++lane) args.next[lane] = messages[lane].data();
    begin(args);
    kernel.compress(&args, kPairBlocksSize / kBlockSize);
    for (size_t lane = 0; lane < count; ++lane) take_hash(args, lane, parents[first + lane]);
  }
}

void sha256_pairs(uint8_t prefix, std::span<const Hash> children, std::span<Hash> parents) {
  KHIPU_ASSERT(children.size() == 2 * parents.size());
  const LaneKernel* const kernel = best_kernel();
  if (kernel != nullptr && parents.size() >= kernel->worth) return sha256_pairs(*kernel, prefix, children, parents);
  for (size_t i = 0; i < parents.size(); ++i) parents[i] = sha256_pair(prefix, children[2 * i], children[2 * i + 1]);
}

Sha256Batch::Sha256Batch() : Sha256Batch(best_kernel()) {}
Sha256Batch::Sha256Batch(const LaneKernel* kernel) : kernel_(kernel) {}

bool Sha256Batch::add(uint8_t prefix, Bytes message) {
  const size_t size = 1 + message.size(), blocks = blocks_of(size);
  if (count_ == kMessagesMax || blocks > kBlocksMax || used_ + blocks * kBlockSize > kSizeBytes) return false;
  if (bytes_ == nullptr) bytes_ = std::make_unique_for_overwrite<uint8_t[]>(kSizeBytes);
  uint8_t* const copy = bytes_.get() + used_;
  put_padding({copy, blocks * kBlockSize}, size);
  *copy = prefix;
  std::copy(message.begin(), message.end(), copy + 1);
  messages_[count_++] = {copy, static_cast<uint32_t>(size), static_cast<uint32_t>(blocks)};
  used_ += blocks * kBlockSize;
  return true;
}

// Messages of the same number of blocks go together, in as many lanes as there are.
void Sha256Batch::finish(std::span<Hash> hashes) {
  KHIPU_ASSERT(hashes.size() == count_);
  const size_t count = std::exchange(count_, 0);
  used_ = 0;
  std::array<uint16_t, kBlocksMax + 2> begins;  // by blocks: where in `sorted` they begin
  size_t longest = 0;
  for (size_t i = 0; i < count; ++i) longest = std::max<size_t>(longest, messages_[i].blocks);
  std::fill_n(begins.begin(), longest + 2, uint16_t{0});
  for (size_t i = 0; i < count; ++i) ++begins[messages_[i].blocks + 1];
  for (size_t blocks = 1; blocks <= longest; ++blocks) begins[blocks] += begins[blocks - 1];
  std::array<uint16_t, kMessagesMax> sorted;
  for (size_t i = 0; i < count; ++i) sorted[begins[messages_[i].blocks]++] = static_cast<uint16_t>(i);

  const size_t lanes = kernel_ == nullptr ? 1 : kernel_->lanes;
  for (size_t from = 0; from < count; from += lanes) {
    const auto group = std::span<const uint16_t>(sorted).subspan(from, std::min(lanes, count - from));
    size_t blocks = 0;
    for (const size_t i : group) blocks += messages_[i].blocks;
    if (kernel_ != nullptr && blocks >= kernel_->worth * messages_[group.back()].blocks) {
      finish_in_lanes(group, hashes);
      continue;
    }
    for (const size_t i : group) hashes[i] = sha256(Bytes(messages_[i].at, messages_[i].size));
  }
}

// `group` ascends by blocks.
void Sha256Batch::finish_in_lanes(std::span<const uint16_t> group, std::span<Hash> hashes) const {
  LaneArgs args;
  begin(args);
  for (size_t lane = 0; lane < group.size(); ++lane) args.next[lane] = messages_[group[lane]].at;
  const uint8_t*& longest = args.next[group.size() - 1];
  uint32_t done = 0;
  for (size_t lane = 0; lane < group.size();) {
    // A kernel reads for all lanes: those without a message, or at its end, are given what the longest one reads.
    std::fill(args.next.begin() + static_cast<ptrdiff_t>(group.size()), args.next.end(), longest);
    std::fill_n(args.next.begin(), lane, longest);
    const uint32_t until = messages_[group[lane]].blocks;
    kernel_->compress(&args, until - done);
    done = until;
    for (; lane < group.size() && messages_[group[lane]].blocks == done; ++lane) {
      take_hash(args, lane, hashes[group[lane]]);
    }
  }
}

}  // namespace khipu::crypto
