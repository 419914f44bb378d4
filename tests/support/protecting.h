// The keys of protected fields for a test's root: what the writer holds, and what searchers and auditors do.
#pragma once

#include "engine/protect/key_ring.h"
#include "engine/protect/opener.h"
#include "engine/protect/searcher.h"
#include "tests/support/catch.h"

namespace khipu::tests {

struct FieldKeys {
  static constexpr const char* kOrigin = "example.org/audit";  // of the logs that have them
  crypto::Key token_root = crypto::generate_key(crypto::KeyKind::kTokenRoot, kOrigin, kMade);
  crypto::Key digest = crypto::generate_key(crypto::KeyKind::kDigest, kOrigin, kMade);
  crypto::Key decrypt = crypto::generate_key(crypto::KeyKind::kDecrypt, "auditors", kMade);
  crypto::Key fingerprint = crypto::generate_key(crypto::KeyKind::kFingerprint, kOrigin, kMade);
  static constexpr TimeUs kMade = 1767225600LL * 1000000;  // 2026-01-01: the chain of token keys begins there

  static void put(os::Directory& directory, std::string_view name, const crypto::Key& key) {
    const Result<void> made = crypto::create_key_file(directory, name, key);
    INFO((made.ok() ? std::string() : made.error().message));
    REQUIRE(made.ok());
  }
  static void put(os::Directory& directory, const crypto::Key& key) {
    put(directory, protect::key_file_name(key.kind, key.name, key.version), key);
  }
  void give_writer(os::Directory& key_side) const {
    put(key_side, *crypto::recipient_of(decrypt));
    put(key_side, protect::kTokenDayFileName, *protect::first_token_day(token_root));
    put(key_side, protect::kFingerprintFileName, fingerprint);
    put(key_side, digest);
  }
  void give_searcher(os::Directory& directory) const {
    put(directory, token_root);
    put(directory, digest);
  }
  void give_auditor(os::Directory& directory) const { put(directory, decrypt); }
};

}  // namespace khipu::tests
