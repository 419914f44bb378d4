// Many SHA-256 at a time through libIPSec_MB's multi-buffer jobs. Apart from hash.cc: its names clash with OpenSSL's.
#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "engine/base/assert.h"
#include "engine/crypto/hash.h"

#ifdef KHIPU_IPSEC_MB
#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>
#endif

namespace khipu::crypto {

#ifdef KHIPU_IPSEC_MB
namespace {

// Fewer than this are faster one by one: a round of all lanes costs the same with most of them empty.
constexpr size_t kLanesMin = 4;
constexpr size_t kPairSize = 1 + 2 * sizeof(Hash);
constexpr size_t kPairsAtOnce = 256;  // the last of them leave lanes empty
// A longer message would hold up the lanes beside it, which end together; the library itself takes 65,535 bytes at
// most, and none of no bytes.
constexpr size_t kMessageSizeMax = 32U << 10;

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};

// 200 KiB and some 0.3 ms, once for each thread that hashes many.
IMB_MGR* manager() {
  thread_local const std::unique_ptr<IMB_MGR, FreeManager> one = [] {
    std::unique_ptr<IMB_MGR, FreeManager> made(alloc_mb_mgr(0));
    KHIPU_ASSERT(made != nullptr);
    init_mb_mgr_auto(made.get(), nullptr);
    KHIPU_ASSERT(imb_get_errno(made.get()) == 0);
    return made;
  }();
  return one.get();
}

// Jobs may end in any order; all have ended after finish(). The library is told not to look each of them over, which is
// a seventh of what a node costs: all are made here, of 1 to kMessageSizeMax bytes.
class Lanes {
 public:
  void submit(const uint8_t* bytes, size_t size, Hash& hash) {
    KHIPU_ASSERT(size > 0 && size <= kMessageSizeMax);
    IMB_JOB* job = IMB_GET_NEXT_JOB(manager_);
    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_SHA_256;
    job->src = bytes;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = size;
    job->auth_tag_output = hash.data();
    job->auth_tag_output_len_in_bytes = hash.size();
    ++open_;
    for (const IMB_JOB* done = IMB_SUBMIT_JOB_NOCHECK(manager_); done != nullptr;
         done = IMB_GET_COMPLETED_JOB(manager_)) {
      take(*done);
    }
  }
  void finish() {
    while (const IMB_JOB* done = IMB_FLUSH_JOB(manager_)) take(*done);
    KHIPU_ASSERT(open_ == 0);  // also when the library refused a job
  }

 private:
  void take(const IMB_JOB& job) {
    KHIPU_ASSERT(job.status == IMB_STATUS_COMPLETED);
    --open_;
  }
  IMB_MGR* const manager_ = manager();
  size_t open_ = 0;
};

}  // namespace

void sha256_each(std::span<const Bytes> messages, std::span<Hash> hashes) {
  KHIPU_ASSERT(messages.size() == hashes.size());
  if (messages.size() < kLanesMin) {
    for (size_t i = 0; i < messages.size(); ++i) hashes[i] = sha256(messages[i]);
    return;
  }
  Lanes lanes;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].empty() && messages[i].size() <= kMessageSizeMax) {
      lanes.submit(messages[i].data(), messages[i].size(), hashes[i]);
    } else {
      hashes[i] = sha256(messages[i]);
    }
  }
  lanes.finish();
}

void sha256_pairs(uint8_t prefix, std::span<const Hash> children, std::span<Hash> parents) {
  KHIPU_ASSERT(children.size() == 2 * parents.size());
  std::array<uint8_t, kPairsAtOnce * kPairSize> scratch;
  size_t next = 0;
  while (parents.size() - next >= kLanesMin) {
    const size_t end = std::min(parents.size(), next + kPairsAtOnce);
    Lanes lanes;
    uint8_t* at = scratch.data();
    for (; next < end; ++next, at += kPairSize) {
      *at = prefix;
      std::memcpy(at + 1, children[2 * next].data(), 2 * sizeof(Hash));
      lanes.submit(at, kPairSize, parents[next]);
    }
    lanes.finish();
  }
  for (; next < parents.size(); ++next) {
    parents[next] = sha256_pair(prefix, children[2 * next], children[2 * next + 1]);
  }
}

#else  // one by one

void sha256_each(std::span<const Bytes> messages, std::span<Hash> hashes) {
  KHIPU_ASSERT(messages.size() == hashes.size());
  for (size_t i = 0; i < messages.size(); ++i) hashes[i] = sha256(messages[i]);
}

void sha256_pairs(uint8_t prefix, std::span<const Hash> children, std::span<Hash> parents) {
  KHIPU_ASSERT(children.size() == 2 * parents.size());
  for (size_t i = 0; i < parents.size(); ++i) parents[i] = sha256_pair(prefix, children[2 * i], children[2 * i + 1]);
}

#endif

}  // namespace khipu::crypto
