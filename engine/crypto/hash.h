// SHA-256 over parts, keyed BLAKE2b over labelled parts, comparison in constant time. Stateless and thread-safe.
// Not here: what is hashed (engine/tree: leaves and nodes), keys as files (key_file.h).
//
// SHA-256 is libcrypto's, which uses SHA-NI: one EVP_MD fetched once, one EVP_MD_CTX per thread; of many messages at
// once it is libIPSec_MB's (hash_lanes.h). BLAKE2b is libsodium's.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <span>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"

namespace khipu::crypto {

// The hash of the parts one after another, without copying them together.
Hash sha256(std::initializer_list<Bytes> parts);
inline Hash sha256(Bytes bytes) { return sha256({bytes}); }
inline Hash sha256(Bytes first, Bytes second) { return sha256({first, second}); }
inline Hash sha256(Bytes first, Bytes second, Bytes third) { return sha256({first, second, third}); }

// SHA-256(prefix | left | right): the 65 bytes of a Merkle tree's node, at two thirds of what sha256() takes for them.
Hash sha256_pair(uint8_t prefix, const Hash& left, const Hash& right);

// SHA-256(prefix | left | right) of the pairs (0, 1), (2, 3) ... of children: several at a time, one in each lane of
// the processor's wide registers, where the build has libIPSec_MB (x86-64) and the processor AVX-512, or AVX2 and no
// SHA-NI; else one by one. Half as many parents as children, whose number is even.
void sha256_pairs(uint8_t prefix, std::span<const Hash> children, std::span<Hash> parents);

struct LaneKernel;  // hash_lanes.h

// SHA-256(prefix | message) of messages that come one by one, made together from copies in the same way. With AVX-512
// two to three times as fast as one by one with SHA-NI. Owner: one thread.
class Sha256Batch {
 public:
  Sha256Batch();
  explicit Sha256Batch(const LaneKernel* kernel);  // nullptr: one by one; for tests
  // False: there is no room for it. Behind finish() there is, for any of less than 32 KiB.
  bool add(uint8_t prefix, Bytes message);
  size_t count() const { return count_; }
  // The hashes of what was added, in order: as many as count(), which is 0 from now on.
  void finish(std::span<Hash> hashes);

 private:
  static constexpr size_t kBlocksMax = 512;  // of one message
  static constexpr size_t kMessagesMax = 256;
  static constexpr size_t kSizeBytes = 96U << 10;  // less than malloc fetches from the kernel each time

  struct Message {
    const uint8_t* at;  // in bytes_: the prefix, the message and the padding
    uint32_t size;      // without the padding
    uint32_t blocks;
  };
  void finish_in_lanes(std::span<const uint16_t> group, std::span<Hash> hashes) const;

  const LaneKernel* const kernel_;
  std::unique_ptr<uint8_t[]> bytes_;  // kSizeBytes, from the first add() on
  size_t used_ = 0;
  std::array<Message, kMessagesMax> messages_;
  size_t count_ = 0;
};

// A hash over bytes that come piece by piece. Owner: one thread. Can be used again after finish().
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&& other) noexcept;
  Sha256& operator=(Sha256&& other) noexcept;
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(Bytes bytes);
  Hash finish();
  Hash so_far() const;  // of what came until now; more may follow

 private:
  void* context_;  // EVP_MD_CTX: OpenSSL's headers stay out of this one
};

// BLAKE2b-256 under a 32-byte key over u64 length | bytes (little-endian) of each part, the label first.
// libsodium 1.0.18 has no HKDF: this stands for it, and the lengths keep ("ab","c") apart from ("a","bc"). A shorter
// token is these 32 bytes, cut: BLAKE2b-128 is not a prefix of BLAKE2b-256.
Hash blake2b_keyed(Bytes key, std::string_view label, std::initializer_list<Bytes> parts);

// What an IMPORT statement holds in place of the SHA-256 of an input of which something is protected; under index.key.
inline Hash keyed_input_hash(Bytes key, const Hash& sha256) { return blake2b_keyed(key, "import-input", {sha256}); }

// BLAKE2b without framing, 1 to 64 bytes out, key of 0 to 64 bytes: RFC 7693 as it stands. For vectors and foreign
// formats; what khipu defines uses blake2b_keyed().
Buffer blake2b(Bytes key, Bytes message, size_t size);

// False at once when the sizes differ (a size is no secret), else without regard to where the bytes differ.
bool equal_constant_time(Bytes left, Bytes right);

}  // namespace khipu::crypto
