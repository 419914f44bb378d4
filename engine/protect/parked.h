// Lines that could not be written and hold values of protected fields, for the DLQ: sealed for the recipients by
// whoever sets them aside, with public keys alone, and opened by those who hold a decrypt key. Bytes: engine/FORMAT.md
// "dlq". Not here: the lines of the file and what else they say (engine/import/parking.h), the writer's sessions
// (sealer.h).
//
// One key a run, wrapped to each recipient as data keys are; it stands in the file itself and in no statement, because
// nothing in a root depends on the DLQ. Whoever removes the file has destroyed what was in it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/protect/key_ring.h"
#include "engine/protect/opener.h"
#include "engine/protect/wrapped_key.h"

namespace khipu::protect {

// What an entry is bound to beside its root: SHA-256 of what its line says in the clear.
using ParkedPlace = Hash;

// Owner: one thread.
class ParkedSealer {
 public:
  // kForbidden without recipients: what cannot be sealed is not set aside.
  static Result<std::unique_ptr<ParkedSealer>> make(const RootId& root, const std::vector<Recipient>& recipients,
                                                    TimeUs now);
  ParkedSealer(const ParkedSealer&) = delete;
  ParkedSealer& operator=(const ParkedSealer&) = delete;

  const Hash& id() const { return key_.commitment; }  // of its key: what an entry names
  Buffer wrapped() const { return encode_wrapped(key_); }
  Result<Buffer> seal(const ParkedPlace& place, Bytes line);

 private:
  ParkedSealer() = default;
  WrappedKey key_;
  crypto::SecretBytes field_key_;
};

// Owner: one thread.
class ParkedOpener {
 public:
  static Result<std::unique_ptr<ParkedOpener>> make(const RootId& root, DecryptRing ring);
  ParkedOpener(const ParkedOpener&) = delete;
  ParkedOpener& operator=(const ParkedOpener&) = delete;

  // `wrapped` as ParkedSealer gave it. kForbidden: sealed to others; kCorrupt: not what was wrapped.
  Result<Plaintext> open(Bytes wrapped, const ParkedPlace& place, Bytes sealed);

 private:
  ParkedOpener() = default;
  RootId root_{};
  std::vector<crypto::BoxKeyPair> pairs_;
  Hash of_{};  // SHA-256 of the wrapped key that field_key_ came from
  uint16_t ring_ = 0;
  uint32_t number_ = 0;
  crypto::SecretBytes field_key_;
};

// The key of a run sealed to these recipients in place of those it is sealed to; its entries stay as they are. nullopt:
// it is sealed to them already, or is no such key of this root. kForbidden: none of the decrypt keys opens it.
Result<std::optional<Buffer>> rewrap_parked(const RootId& root, Bytes wrapped, const DecryptRing& ring,
                                            const std::vector<Recipient>& recipients);

// Does one of the decrypt keys open the key of a run? kForbidden: none does; kCorrupt: no such key of this root.
Result<void> check_parked(const RootId& root, Bytes wrapped, const DecryptRing& ring);

// The newest key of each name among recipients as statements name them ("auditors/2").
std::vector<Recipient> newest_recipients(const std::map<std::string, crypto::BoxPublicKey, std::less<>>& stated);

}  // namespace khipu::protect
