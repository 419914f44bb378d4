#include "engine/crypto/blake2b_lanes.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/base/assert.h"
#include "engine/crypto/secret.h"

namespace khipu::crypto {
namespace {

constexpr size_t kBlockSize = 128;
constexpr size_t kLanes = 4;
constexpr std::array<uint64_t, 8> kIv = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                         0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                         0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
constexpr uint64_t kParameters = 0x01012020;  // 32 bytes of hash, 32 of key, no tree
constexpr uint8_t kOrder[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};
constexpr int kRounds = 12;

using State = std::array<uint64_t, 8>;
using Vector [[gnu::vector_size(32)]] = uint64_t;

// RFC 7693 section 3.1: Word is one message's word, or that of four.
template <typename Word>
[[gnu::always_inline]] inline void mix(Word& a, Word& b, Word& c, Word& d, const Word& x, const Word& y) {
  a = a + b + x;
  d ^= a;
  d = (d >> 32) | (d << 32);
  c += d;
  b ^= c;
  b = (b >> 24) | (b << 40);
  a = a + b + y;
  d ^= a;
  d = (d >> 16) | (d << 48);
  c += d;
  b ^= c;
  b = (b >> 63) | (b << 1);
}

// Section 3.2, without the last exclusive or: the working vector after its rounds.
template <typename Word>
[[gnu::always_inline]] inline void run_rounds(Word* v, const Word* m) {
  for (int round = 0; round < kRounds; ++round) {
    const uint8_t* s = kOrder[round % 10];
    mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }
}

// The state behind the block that holds the key.
State keyed_state(Bytes key) {
  State state = kIv;
  state[0] ^= kParameters;
  std::array<uint64_t, 16> m{}, v;
  for (size_t i = 0; i < key.size() / 8; ++i) m[i] = load_le<uint64_t>(key.data() + 8 * i);
  for (size_t i = 0; i < 8; ++i) v[i] = state[i], v[i + 8] = kIv[i];
  v[12] ^= kBlockSize;
  run_rounds(v.data(), m.data());
  for (size_t i = 0; i < 8; ++i) state[i] ^= v[i] ^ v[i + 8];
  wipe({reinterpret_cast<uint8_t*>(m.data()), sizeof m});
  wipe({reinterpret_cast<uint8_t*>(v.data()), sizeof v});
  return state;
}

struct Lanes {
  std::array<std::array<uint8_t, kBlockSize>, kLanes> blocks;  // zeroes behind each message
  std::array<uint64_t, kLanes> sizes;                          // with the key's block
};

// The last block of four messages at once.
[[gnu::target("avx2")]] void finish_four(const State& state, const Lanes& lanes, std::array<Hash, kLanes>& out) {
  Vector m[16], v[16];
  for (size_t i = 0; i < 16; ++i) {
    for (size_t lane = 0; lane < kLanes; ++lane) m[i][lane] = load_le<uint64_t>(lanes.blocks[lane].data() + 8 * i);
  }
  for (size_t i = 0; i < 8; ++i) {
    v[i] = Vector{} + state[i];
    v[i + 8] = Vector{} + kIv[i];
  }
  for (size_t lane = 0; lane < kLanes; ++lane) v[12][lane] ^= lanes.sizes[lane];
  v[14] = ~v[14];
  run_rounds(v, m);
  for (size_t i = 0; i < 4; ++i) {
    const Vector word = v[i] ^ v[i + 8] ^ state[i];
    for (size_t lane = 0; lane < kLanes; ++lane) store_le<uint64_t>(out[lane].data() + 8 * i, word[lane]);
  }
}

}  // namespace

void blake2b_keyed_each(Bytes key, std::string_view label, std::span<const std::string_view> parts,
                        std::span<Hash> out) {
  KHIPU_ASSERT(key.size() == 32 && out.size() == parts.size());
  static const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  const size_t front = 8 + label.size() + 8;
  const bool short_ones =
      std::all_of(parts.begin(), parts.end(), [&](std::string_view part) { return front + part.size() <= kBlockSize; });
  if (!avx2 || !short_ones || parts.size() < 2) {
    for (size_t i = 0; i < parts.size(); ++i) out[i] = blake2b_keyed(key, label, {as_bytes(parts[i])});
    return;
  }
  State state = keyed_state(key);
  Lanes lanes;
  std::array<Hash, kLanes> hashes;
  for (size_t first = 0; first < parts.size(); first += kLanes) {
    const size_t count = std::min(kLanes, parts.size() - first);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const std::string_view part = lane < count ? parts[first + lane] : std::string_view();
      lanes.blocks[lane].fill(0);
      uint8_t* to = lanes.blocks[lane].data();
      store_le<uint64_t>(to, label.size());
      std::memcpy(to + 8, label.data(), label.size());
      store_le<uint64_t>(to + 8 + label.size(), part.size());
      if (!part.empty()) std::memcpy(to + front, part.data(), part.size());
      lanes.sizes[lane] = kBlockSize + front + part.size();
    }
    finish_four(state, lanes, hashes);
    std::copy_n(hashes.begin(), count, out.begin() + static_cast<ptrdiff_t>(first));
  }
  wipe({reinterpret_cast<uint8_t*>(state.data()), sizeof state});
  wipe({lanes.blocks[0].data(), sizeof lanes.blocks});
}

}  // namespace khipu::crypto
