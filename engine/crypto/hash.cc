#include "engine/crypto/hash.h"

#define OPENSSL_SUPPRESS_DEPRECATED  // sha256(), and why, below
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <memory>
#include <utility>

#include "engine/base/assert.h"

namespace khipu::crypto {
namespace {

// An implicit fetch in each EVP_DigestInit costs three times the hash of a short record. Never freed: thread-local
// contexts of late threads may still name it at exit.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  KHIPU_ASSERT(algorithm != nullptr);
  return algorithm;
}

EVP_MD_CTX* new_context() {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  KHIPU_ASSERT(context != nullptr);
  return context;
}

void start(EVP_MD_CTX* context) { KHIPU_ASSERT(EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr) == 1); }

Hash finish_into_hash(EVP_MD_CTX* context) {
  Hash hash;
  unsigned size = 0;
  KHIPU_ASSERT(EVP_DigestFinal_ex(context, hash.data(), &size) == 1 && size == hash.size());
  return hash;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

// The old low-level calls: deprecated since 3.0, there as long as 3.x is, and the same code of libcrypto behind them.
// EVP first builds the tables of a provider and reads the machine's openssl.cnf, 2 ms of a cold process that hashes
// twenty records, and takes some 100 ns more for a short message.
Hash sha256(std::initializer_list<Bytes> parts) {
  SHA256_CTX state;
  KHIPU_ASSERT(SHA256_Init(&state) == 1);
  for (const Bytes part : parts) KHIPU_ASSERT(SHA256_Update(&state, part.data(), part.size()) == 1);
  Hash hash;
  KHIPU_ASSERT(SHA256_Final(hash.data(), &state) == 1);
  return hash;
}

// Half of all hashes of a log are nodes, and libcrypto takes the two blocks of one one by one. Padded here, they are
// one call of the same code of libcrypto, which then schedules both blocks together. A test holds it to sha256().
Hash sha256_pair(uint8_t prefix, const Hash& left, const Hash& right) {
  constexpr size_t kSize = 1 + 2 * sizeof(Hash);
  std::array<uint8_t, 2 * SHA256_CBLOCK> blocks{};
  blocks[0] = prefix;
  std::memcpy(blocks.data() + 1, left.data(), left.size());
  std::memcpy(blocks.data() + 1 + left.size(), right.data(), right.size());
  blocks[kSize] = 0x80;
  blocks[blocks.size() - 2] = kSize * 8 >> 8;
  blocks[blocks.size() - 1] = kSize * 8 & 0xff;
  SHA256_CTX state;
  KHIPU_ASSERT(SHA256_Init(&state) == 1 && SHA256_Update(&state, blocks.data(), blocks.size()) == 1);
  Hash hash;
  for (size_t i = 0; i < hash.size(); ++i) hash[i] = static_cast<uint8_t>(state.h[i / 4] >> (24 - 8 * (i % 4)));
  return hash;
}

Sha256::Sha256() : context_(new_context()) { start(static_cast<EVP_MD_CTX*>(context_)); }

Sha256::~Sha256() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

Sha256::Sha256(Sha256&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}

Sha256& Sha256::operator=(Sha256&& other) noexcept {
  std::swap(context_, other.context_);
  return *this;
}

void Sha256::update(Bytes bytes) {
  KHIPU_ASSERT(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()) == 1);
}

Hash Sha256::so_far() const {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> copy(new_context());
  KHIPU_ASSERT(EVP_MD_CTX_copy_ex(copy.get(), static_cast<const EVP_MD_CTX*>(context_)) == 1);
  return finish_into_hash(copy.get());
}

Hash Sha256::finish() {
  const Hash hash = finish_into_hash(static_cast<EVP_MD_CTX*>(context_));
  start(static_cast<EVP_MD_CTX*>(context_));
  return hash;
}

}  // namespace khipu::crypto
