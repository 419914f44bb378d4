// How recipients are called, and held against the names that somebody gave (key_admin.h).
#include <set>

#include "engine/crypto/hash.h"
#include "engine/protect/key_admin.h"

namespace khipu::protect {

std::string recipient_fingerprint(const crypto::BoxPublicKey& key) {
  constexpr size_t kFingerprintSize = 16;  // nobody finds another key of the same 128 bits
  return hex(Bytes(crypto::sha256(key)).first(kFingerprintSize));
}

std::string recipient_label(const Recipient& recipient) {
  return recipient.name + "/" + std::to_string(recipient.version) + "=" + recipient_fingerprint(recipient.key);
}

Result<void> check_recipients(const std::vector<Recipient>& recipients, const std::vector<std::string>& named) {
  std::set<std::string> left(named.begin(), named.end());
  std::string unnamed;
  for (const Recipient& recipient : recipients) {
    if (left.erase(recipient_label(recipient)) == 0) unnamed += " " + recipient_label(recipient);
  }
  if (!unnamed.empty()) return Error{Code::kInvalid, "recipients there that were not named:" + unnamed};
  if (!left.empty()) return Error{Code::kInvalid, "no such recipient is there: " + *left.begin()};
  return {};
}

}  // namespace khipu::protect
