#include "engine/crypto/hash.h"

#include <openssl/evp.h>

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

Hash sha256(std::initializer_list<Bytes> parts) {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(new_context());
  start(context.get());
  for (const Bytes part : parts) KHIPU_ASSERT(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  return finish_into_hash(context.get());
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
