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
namespace {

constexpr size_t kBlockSize = 64;
constexpr size_t kLengthSize = sizeof(uint64_t);
constexpr std::array<uint32_t, 8> kInitialState = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,  // FIPS 180-4 5.3.3
                                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
// Fewer than this are faster one by one: all lanes cost the same with most of them empty.
constexpr size_t kMessagesMin = 4;
// A longer message would go on alone, in one lane of many.
constexpr size_t kMessageSizeMax = 32U << 10;
constexpr size_t kPairSize = 1 + 2 * sizeof(Hash);

// The last `rest` bytes of a message of `size`, the padding and the length (FIPS 180-4 5.1.1). How many blocks it
// takes.
size_t pad(std::span<uint8_t, 2 * kBlockSize> to, const uint8_t* last, size_t rest, size_t size) {
  const size_t blocks = rest + 1 + kLengthSize <= kBlockSize ? 1 : 2;
  std::memset(to.data(), 0, to.size());
  std::memcpy(to.data(), last, rest);
  to[rest] = 0x80;
  store_be<uint64_t>(&to[blocks * kBlockSize - kLengthSize], uint64_t{size} * 8);
  return blocks;
}

void begin(LaneArgs& args, size_t lane) {
  for (size_t word = 0; word < kInitialState.size(); ++word) args.state[word][lane] = kInitialState[word];
}
void finish(const LaneArgs& args, size_t lane, Hash& hash) {
  for (size_t word = 0; word < kInitialState.size(); ++word) store_be(&hash[4 * word], args.state[word][lane]);
}

// Each lane has a message of its own, and takes the next one when that is done.
class Lanes {
 public:
  Lanes(const LaneKernel& kernel, std::span<const Bytes> messages, std::span<Hash> hashes)
      : kernel_(kernel), messages_(messages), hashes_(hashes) {}
  void run() {
    for (size_t lane = 0; lane < kernel_.lanes; ++lane) take(lane);
    while (busy_ > 0) {
      const auto least = std::min_element(left_.begin(), left_.begin() + static_cast<ptrdiff_t>(kernel_.lanes));
      const uint32_t blocks = *least;
      if (busy_ < kernel_.lanes) feed_the_empty(static_cast<size_t>(least - left_.begin()));
      kernel_.compress(&args_, blocks);
      for (size_t lane = 0; lane < kernel_.lanes; ++lane) {
        if (left_[lane] == kEmpty || (left_[lane] -= blocks) > 0) continue;
        if (tails_[lane] > 0) {
          go_on_with_tail(lane);
        } else {
          finish(args_, lane, hashes_[message_[lane]]);
          --busy_;
          take(lane);
        }
      }
    }
  }

 private:
  static constexpr uint32_t kEmpty = UINT32_MAX;  // longer than any message

  void take(size_t lane) {
    for (; next_ < messages_.size() && messages_[next_].size() > kMessageSizeMax; ++next_) {
      hashes_[next_] = sha256(messages_[next_]);
    }
    left_[lane] = kEmpty;
    if (next_ == messages_.size()) return;
    const Bytes message = messages_[next_];
    const size_t rest = message.size() % kBlockSize;
    // An empty span may have no address, and memcpy wants one.
    const uint8_t* const last = rest == 0 ? padded_[lane].data() : message.data() + (message.size() - rest);
    tails_[lane] = static_cast<uint32_t>(pad(padded_[lane], last, rest, message.size()));
    message_[lane] = next_++;
    ++busy_;
    begin(args_, lane);
    left_[lane] = static_cast<uint32_t>(message.size() / kBlockSize);
    args_.next[lane] = message.data();
    if (left_[lane] == 0) go_on_with_tail(lane);
  }
  void go_on_with_tail(size_t lane) {
    args_.next[lane] = padded_[lane].data();
    left_[lane] = std::exchange(tails_[lane], 0);
  }
  // A kernel reads for all lanes.
  void feed_the_empty(size_t from) {
    for (size_t lane = 0; lane < kernel_.lanes; ++lane) {
      if (left_[lane] == kEmpty) args_.next[lane] = args_.next[from];
    }
  }

  const LaneKernel& kernel_;
  const std::span<const Bytes> messages_;
  const std::span<Hash> hashes_;
  size_t next_ = 0;  // message
  size_t busy_ = 0;  // lanes
  LaneArgs args_{};
  std::array<uint32_t, kLanesMost> left_{};   // blocks that a lane reads where it is
  std::array<uint32_t, kLanesMost> tails_{};  // blocks in padded_ that follow
  std::array<size_t, kLanesMost> message_{};
  std::array<std::array<uint8_t, 2 * kBlockSize>, kLanesMost> padded_;
};

}  // namespace

void sha256_each(const LaneKernel& kernel, std::span<const Bytes> messages, std::span<Hash> hashes) {
  KHIPU_ASSERT(messages.size() == hashes.size());
  Lanes(kernel, messages, hashes).run();
}

// All as long as each other, so the lanes go in step.
void sha256_pairs(const LaneKernel& kernel, uint8_t prefix, std::span<const Hash> children, std::span<Hash> parents) {
  KHIPU_ASSERT(children.size() == 2 * parents.size());
  std::array<std::array<uint8_t, 2 * kBlockSize>, kLanesMost> messages;
  LaneArgs args;
  for (auto& message : messages) {
    const std::array<uint8_t, kPairSize> empty = {prefix};
    pad(message, empty.data(), empty.size(), empty.size());
  }
  for (size_t first = 0; first < parents.size(); first += kernel.lanes) {
    const size_t count = std::min(kernel.lanes, parents.size() - first);
    for (size_t lane = 0; lane < count; ++lane) {
      std::memcpy(&messages[lane][1], children[2 * (first + lane)].data(), 2 * sizeof(Hash));
    }
    for (size_t lane = 0; lane < kernel.lanes; ++lane) {
      begin(args, lane);
      args.next[lane] = messages[lane].data();
    }
    kernel.compress(&args, 2);
    for (size_t lane = 0; lane < count; ++lane) finish(args, lane, parents[first + lane]);
  }
}

#ifdef KHIPU_IPSEC_MB
// include/sha_mb_mgr.h and lib/include/ipsec_ooo_mgr.h of its 1.3.
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
namespace {
bool has_sha_ni() { return __builtin_cpu_supports("sha"); }
}  // namespace
#else
std::span<const LaneKernel> lane_kernels() { return {}; }
namespace {
bool has_sha_ni() { return false; }  // nobody asks
}  // namespace
#endif

namespace {
// nullptr: one by one. Eight lanes are no faster than that where libcrypto has SHA-NI.
const LaneKernel* kernel() {
  static const LaneKernel* const chosen = [] {
    const std::span<const LaneKernel> all = lane_kernels();
    return all.empty() || (all.front().lanes < kLanesMost && has_sha_ni()) ? nullptr : &all.front();
  }();
  return chosen;
}
}  // namespace

void sha256_each(std::span<const Bytes> messages, std::span<Hash> hashes) {
  KHIPU_ASSERT(messages.size() == hashes.size());
  if (kernel() != nullptr && messages.size() >= kMessagesMin) return sha256_each(*kernel(), messages, hashes);
  for (size_t i = 0; i < messages.size(); ++i) hashes[i] = sha256(messages[i]);
}

void sha256_pairs(uint8_t prefix, std::span<const Hash> children, std::span<Hash> parents) {
  KHIPU_ASSERT(children.size() == 2 * parents.size());
  if (kernel() != nullptr && parents.size() >= kMessagesMin) return sha256_pairs(*kernel(), prefix, children, parents);
  for (size_t i = 0; i < parents.size(); ++i) parents[i] = sha256_pair(prefix, children[2 * i], children[2 * i + 1]);
}

}  // namespace khipu::crypto
