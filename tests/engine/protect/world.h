// A key side, a ROOT/keys and readers' keys on a fake disk: what a writer, a searcher and an auditor each hold.
#pragma once

#include "engine/protect/opener.h"
#include "engine/protect/sealer.h"
#include "engine/protect/searcher.h"
#include "tests/support/catch.h"
#include "tests/support/fake_disk.h"

namespace khipu::protect {

inline constexpr TimeUs kDayOneUs = 20'000LL * 86400 * 1'000'000;  // 2024-10-04
inline constexpr TimeUs kNoonUs = kDayOneUs + 43'200LL * 1'000'000;
inline constexpr int64_t kOneDayUs = 86400LL * 1'000'000;

inline crypto::Key make_key(crypto::KeyKind kind, const std::string& name, uint32_t version, TimeUs created,
                            uint8_t fill) {
  crypto::Key key;
  key.kind = kind;
  key.name = name;
  key.version = version;
  key.created = created;
  const std::array<uint8_t, 32> bytes = [fill] {
    std::array<uint8_t, 32> filled;
    filled.fill(fill);
    return filled;
  }();
  key.bytes = crypto::SecretBytes::copy_of(bytes);
  return key;
}
inline crypto::Key copy_of(const crypto::Key& key) {
  crypto::Key copy;
  copy.kind = key.kind;
  copy.name = key.name;
  copy.version = key.version;
  copy.created = key.created;
  copy.bytes = crypto::SecretBytes::copy_of(key.bytes.bytes());
  return copy;
}

struct World {
  tests::FakeDisk disk;
  std::unique_ptr<os::Directory> key_side = disk.directory("keys-side");
  std::unique_ptr<os::Directory> wrapped = disk.directory("root-keys");
  RootId root = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  crypto::Key token_root = make_key(crypto::KeyKind::kTokenRoot, "test", 1, kDayOneUs, 0x51);
  std::vector<crypto::Key> digests;
  std::vector<crypto::Key> decrypts;

  World() {
    digests.push_back(make_key(crypto::KeyKind::kDigest, "test", 1, kDayOneUs, 0xD1));
    decrypts.push_back(make_key(crypto::KeyKind::kDecrypt, "auditors", 1, kDayOneUs, 0xA1));
    REQUIRE(crypto::create_key_file(*key_side, kTokenDayFileName, *first_token_day(token_root)).ok());
    REQUIRE(crypto::create_key_file(*key_side, kFingerprintFileName,
                                    make_key(crypto::KeyKind::kFingerprint, "test", 1, kDayOneUs, 0xF1))
                .ok());
    hand_out();
  }
  // The public and the digest keys that the writer does not have yet.
  void hand_out() {
    for (const crypto::Key& key : digests) put(key);
    for (const crypto::Key& key : decrypts) put(*crypto::recipient_of(key));
  }
  void put(const crypto::Key& key) {
    const std::string name = key_file_name(key.kind, key.name, key.version);
    if (key_side->stat(name)->has_value()) return;
    REQUIRE(crypto::create_key_file(*key_side, name, key).ok());
  }

  std::unique_ptr<Sealer> sealer(TimeUs now = kNoonUs, KeyLog log = {}) {
    auto ring = load_writer_ring(*key_side);
    REQUIRE(ring.ok());
    auto opened = Sealer::open(std::move(ring).value(), std::move(log), {root, key_side.get(), wrapped.get()}, now);
    REQUIRE(opened.ok());
    return std::move(opened).value();
  }
  Searcher searcher() {
    SearchRing ring;
    ring.token_roots.push_back(copy_of(token_root));
    for (const crypto::Key& key : digests) ring.digests.push_back(copy_of(key));
    return Searcher::open(std::move(ring)).value();
  }
  std::unique_ptr<Opener> opener(const KeyLog& log) {
    DecryptRing ring;
    for (const crypto::Key& key : decrypts) ring.keys.push_back(copy_of(key));
    auto opened = Opener::open(std::move(ring), root, disk.directory("root-keys"));
    REQUIRE(opened.ok());
    (*opened)->learn(std::make_shared<const KeyLog>(log));
    return std::move(opened).value();
  }
  FieldPlace place() const {
    FieldPlace place;
    place.root = root;
    place.name = {"user", "email"};
    place.entity_id = "u-1";
    place.uid = {7, 7, 7};
    return place;
  }
};

inline Buffer seal(Sealer& sealer, const FieldPlace& place, std::string_view text,
                   const SubjectName* subject = nullptr) {
  Buffer value;
  const auto sealed = sealer.seal(place, as_bytes(text), subject, value);
  INFO((sealed.ok() ? std::string() : sealed.error().message));
  REQUIRE(sealed.ok());
  return value;
}
inline std::string open_text(Opener& opener, const FieldPlace& place, Bytes value) {
  const auto plaintext = opener.open(place, value);
  INFO((plaintext.ok() ? std::string() : plaintext.error().message));
  REQUIRE(plaintext.ok());
  return std::string(plaintext->text());
}
inline Code code_of_open(Opener& opener, const FieldPlace& place, Bytes value) {
  const auto plaintext = opener.open(place, value);
  REQUIRE_FALSE(plaintext.ok());
  return plaintext.error().code;
}

}  // namespace khipu::protect
