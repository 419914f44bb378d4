#include "engine/crypto/key_file.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cctype>
#include <functional>

#include "engine/crypto/credential.h"
#include "engine/crypto/hash.h"
#include "engine/os/process.h"
#include "tests/support/catch.h"
#include "tests/support/fake_disk.h"
#include "tests/support/temp_directory.h"

namespace khipu::crypto {
namespace {

constexpr TimeUs kNow = 1795230000000000;  // 2026-11-21T03:00:00Z

constexpr const char* kSigning =
    "khipu-key/v1\nkind: signing\nname: example.org/audit\nversion: 1\ncreated: 2026-11-21T03:00:00.000000Z\n"
    "key: KHIPU-SECRET-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\ncheck: 78675af5\n";
constexpr const char* kVerifier =
    "khipu-key/v1\nkind: verifier\nname: example.org/audit\nversion: 1\ncreated: 2026-11-21T03:00:00.000000Z\n"
    "key: A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\ncheck: ebd41e41\n";

Key signing_example() {
  Key key;
  key.kind = KeyKind::kSigning;
  key.name = "example.org/audit";
  key.created = kNow;
  Buffer bytes(kKeySize);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  key.bytes = SecretBytes::copy_of(bytes);
  return key;
}

// Six lines with the right check digits under them: what is refused then is refused for what it says.
std::string checked(const std::string& lines) {
  return lines + "check: " + hex(Bytes(sha256(as_bytes(lines))).first(4)) + "\n";
}

void check_refused(const std::string& text, Code code, const std::string& part) {
  const auto key = parse_key(as_bytes(text));
  INFO(text);
  REQUIRE_FALSE(key.ok());
  CHECK(key.error().code == code);
  CHECK_THAT(key.error().message, ContainsSubstring(part));
  CHECK(key.error().message.find("AAECAwQF") == std::string::npos);  // never a word of the key
}

TEST_CASE("key text: golden files, printed and parsed") {
  CHECK(as_text(print_key(signing_example())->bytes()) == kSigning);
  const auto key = parse_key(as_bytes(kSigning));
  REQUIRE(key.ok());
  CHECK(key->kind == KeyKind::kSigning);
  CHECK(key->name == "example.org/audit");
  CHECK(key->version == 1);
  CHECK(key->created == kNow);
  CHECK(equal_constant_time(key->bytes.bytes(), signing_example().bytes.bytes()));
  const auto verifier = verifier_of(*key);
  REQUIRE(verifier.ok());
  CHECK(as_text(print_key(*verifier)->bytes()) == kVerifier);
  CHECK(public_key(*verifier).value() == signing_key(*key)->public_key());
  CHECK(signing_key(*verifier).error().code == Code::kInvalid);
  CHECK(public_key(*key).error().code == Code::kInvalid);
}

TEST_CASE("key text: every truncation, every flipped bit and anything added is refused") {
  for (const std::string text : {kSigning, kVerifier}) {
    for (size_t size = 0; size < text.size(); ++size) CHECK_FALSE(parse_key(as_bytes(text.substr(0, size))).ok());
    for (size_t bit = 0; bit < text.size() * 8; ++bit) {
      std::string other = text;
      other[bit / 8] = static_cast<char>(static_cast<uint8_t>(other[bit / 8]) ^ (1U << (bit % 8)));
      CHECK_FALSE(parse_key(as_bytes(other)).ok());
    }
    for (const char* more : {"\n", " ", "x", "check: 78675af5\n"}) CHECK_FALSE(parse_key(as_bytes(text + more)).ok());
  }
}

TEST_CASE("key text: each line says what would be right, and no error quotes the key") {
  const std::string lines = std::string(kSigning).substr(0, std::string(kSigning).find("check"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string other = lines;
    other.replace(other.find(from), from.size(), to);
    return checked(other);
  };
  REQUIRE(parse_key(as_bytes(checked(lines))).ok());
  check_refused(with("khipu-key/v1", "khipu-key/v2"), Code::kUnsupported, "khipu-key/v1");
  check_refused(with("khipu-key/v1\n", "khipu-key/v10\n"), Code::kUnsupported, "khipu-key/v1");
  check_refused(with("khipu-key/v1", "-----BEGIN KEY"), Code::kCorrupt, "first line");
  check_refused(with("signing", "sealing"), Code::kCorrupt, "signing, index, verifier, recipient");
  check_refused(with("kind: signing", "kind:signing"), Code::kCorrupt, "line 'kind'");
  for (const char* name : {"", "two words", "plus+", "t\xc3\xa4g"}) {
    check_refused(with("example.org/audit", name), Code::kCorrupt, "line 'name'");
  }
  check_refused(with("example.org/audit", std::string(129, 'n')), Code::kCorrupt, "line 'name'");
  for (const char* version : {"", "0", "01", "-1", "+1", "4294967296", "1 "}) {
    check_refused(with("version: 1", std::string("version: ") + version), Code::kCorrupt, "line 'version'");
  }
  for (const char* created : {"2026-11-21", "2026-11-21T03:00:00Z", "2026-11-21T04:00:00.000000+01:00"}) {
    check_refused(with("2026-11-21T03:00:00.000000Z", created), Code::kCorrupt, "line 'created'");
  }
  check_refused(with("KHIPU-SECRET-1 ", ""), Code::kCorrupt, "KHIPU-SECRET-1");
  check_refused(with("kind: signing", "kind: verifier"), Code::kCorrupt, "this kind is public");
  check_refused(with("Hh8=", "Hh8"), Code::kCorrupt, "base64");
  check_refused(with("Hh8=", "Hh9="), Code::kCorrupt, "base64");  // bits that no byte holds
  check_refused(with("AAEC", "AA C"), Code::kCorrupt, "base64");
  check_refused(with("AAEC", "AA_C"), Code::kCorrupt, "base64");
  check_refused(with("Hh8=", "Hh8=AAAA"), Code::kCorrupt, "base64");  // libsodium alone would stop and call it good
  for (int byte = 0; byte < 256; ++byte) {                            // it takes 0xff for a letter
    const bool letter = std::isalnum(byte) != 0 || byte == '+' || byte == '/';
    const char c = static_cast<char>(byte);
    if (!letter && c != '\n') check_refused(with("AAEC", std::string(4, c)), Code::kCorrupt, "base64");
  }
  check_refused(with("version: 1\n", "version: 1\r\n"), Code::kCorrupt, "line 'version'");
  check_refused(with("kind: signing\nname: example.org/audit\n", "name: example.org/audit\nkind: signing\n"),
                Code::kCorrupt, "line 'kind'");
  check_refused(std::string(2000, 'k'), Code::kLimit, "1024");
}

TEST_CASE("key text: a key without a form is not printed") {
  Key key = signing_example();
  key.name = "two words";
  CHECK(print_key(key).error().code == Code::kInvalid);
  key = signing_example();
  key.version = 0;
  CHECK(print_key(key).error().code == Code::kInvalid);
  key = signing_example();
  key.bytes = SecretBytes(31);
  CHECK(print_key(key).error().code == Code::kInvalid);
}

TEST_CASE("key file: made once with mode 0600 (verifier: 0644), opened again, never overwritten") {
  const tests::TempDirectory temp;
  const auto keys = os::open_directory(temp.path()).value();
  const Key key = generate_key(KeyKind::kSigning, "example.org/audit", kNow);
  REQUIRE(create_key_file(*keys, kSigningKeyFileName, key).ok());
  REQUIRE(create_key_file(*keys, kVerifierKeyFileName, verifier_of(key).value()).ok());
  struct stat status {};
  REQUIRE(::stat((temp / "signing.key").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  const auto again = open_key_file(*keys, kSigningKeyFileName, KeyKind::kSigning);
  REQUIRE(again.ok());
  CHECK(equal_constant_time(again->bytes.bytes(), key.bytes.bytes()));
  CHECK(create_key_file(*keys, kSigningKeyFileName, key).error().code == Code::kConflict);
  const auto other = open_key_file(*keys, kSigningKeyFileName, KeyKind::kIndex);
  CHECK(other.error().code == Code::kInvalid);
  CHECK_THAT(other.error().message, ContainsSubstring("kind signing, wanted is index"));
  CHECK(open_key_file(*keys, "absent", KeyKind::kIndex).error().code == Code::kNotFound);
}

TEST_CASE("key file: any right of group or others is refused, with the bit named") {
  const tests::TempDirectory temp;
  const auto keys = os::open_directory(temp.path()).value();
  const Key key = generate_key(KeyKind::kSigning, "n", kNow);
  REQUIRE(create_key_file(*keys, "s", key).ok());
  REQUIRE(create_key_file(*keys, "v", verifier_of(key).value()).ok());
  for (const mode_t bit : {0040, 0020, 0010, 0004, 0002, 0001}) {
    REQUIRE(::chmod((temp / "s").c_str(), 0600 | bit) == 0);
    const auto opened = open_key_file(*keys, "s", KeyKind::kSigning);
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == Code::kForbidden);
    CHECK_THAT(opened.error().message, ContainsSubstring("bit 00"));
    CHECK_THAT(opened.error().message, ContainsSubstring("chmod 600"));
    REQUIRE(::chmod((temp / "v").c_str(), 0600 | bit) == 0);
    CHECK(open_key_file(*keys, "v", KeyKind::kVerifier).ok() == ((bit & 0022) == 0));
  }
  REQUIRE(::chmod((temp / "s").c_str(), 0400) == 0);
  CHECK(open_key_file(*keys, "s", KeyKind::kSigning).ok());
}

TEST_CASE("key file: links, other owners and what is no file are refused") {
  const tests::TempDirectory temp;
  const auto keys = os::open_directory(temp.path()).value();
  REQUIRE(create_key_file(*keys, "s", generate_key(KeyKind::kIndex, "n", kNow)).ok());
  REQUIRE(::symlink("s", (temp / "soft").c_str()) == 0);
  CHECK(open_key_file(*keys, "soft", KeyKind::kIndex).error().code == Code::kForbidden);
  CHECK(create_key_file(*keys, "soft", generate_key(KeyKind::kIndex, "n", kNow)).error().code == Code::kConflict);
  REQUIRE(::link((temp / "s").c_str(), (temp / "hard").c_str()) == 0);
  const auto linked = open_key_file(*keys, "s", KeyKind::kIndex);
  CHECK(linked.error().code == Code::kForbidden);
  CHECK_THAT(linked.error().message, ContainsSubstring("2 names"));
  REQUIRE(keys->make_directory("folder").ok());
  CHECK(open_key_file(*keys, "folder", KeyKind::kIndex).error().code == Code::kForbidden);

  os::FileStatus status;
  status.owner_uid = 1000;
  CHECK(check_key_file_status(status, KeyKind::kIndex, 1000).ok());
  CHECK(check_key_file_status(status, KeyKind::kIndex, 1001).error().code == Code::kForbidden);
  CHECK(check_key_file_status(status, KeyKind::kVerifier, 0).error().code == Code::kForbidden);
  status.owner_uid = 0;
  CHECK(check_key_file_status(status, KeyKind::kIndex, 1001).ok());
}

TEST_CASE(
    "key file: a credential that its list gives to this user alone is taken, and no other that a group may read") {
  using Who = os::AccessEntry::Who;
  constexpr uint32_t kUs = 1000;
  const std::vector<os::AccessEntry> ours = {
      {Who::kOwner, 0, 4}, {Who::kUser, kUs, 4}, {Who::kGroup, 0, 0}, {Who::kMask, 0, 4}, {Who::kOther, 0, 0}};
  os::FileStatus status;
  status.owner_uid = 0;
  status.permissions = 0440;
  REQUIRE(granted_to_us_alone(status, ours, kUs));
  CHECK_FALSE(granted_to_us_alone(status, ours, kUs + 1));
  CHECK_FALSE(granted_to_us_alone(status, {}, kUs));
  for (const uint32_t permissions : {0444U, 0460U, 0450U, 0640U, 0540U, 0441U, 0442U}) {
    os::FileStatus wider = status;
    wider.permissions = permissions;
    CHECK_FALSE(granted_to_us_alone(wider, ours, kUs));
  }
  os::FileStatus of_another = status;
  of_another.owner_uid = kUs;  // who may change its list
  CHECK_FALSE(granted_to_us_alone(of_another, ours, kUs));
  const auto refused = [&](const std::function<void(std::vector<os::AccessEntry>&)>& change) {
    std::vector<os::AccessEntry> list = ours;
    change(list);
    CHECK_FALSE(granted_to_us_alone(status, list, kUs));
  };
  refused([](auto& list) { list[1].rights = 6; });
  refused([](auto& list) { list[1].rights = 0; });
  refused([](auto& list) { list[2].rights = 4; });
  refused([](auto& list) { list[4].rights = 4; });
  refused([](auto& list) { list.push_back({Who::kUser, 1001, 4}); });
  refused([](auto& list) { list.push_back({Who::kNamedGroup, 7, 4}); });
  refused([](auto& list) { list.erase(list.begin() + 3); });  // no mask: the mode's bits are the group's own
}

TEST_CASE("key file: a file is opened by its list as systemd sets it, where the file system keeps lists") {
  if (os::effective_user_id() != 0) SKIP("only root can make a file of root's");
  tests::TempDirectory temp;
  const auto keys = os::open_directory(temp.path()).value();
  REQUIRE(create_key_file(*keys, "s", generate_key(KeyKind::kIndex, "n", kNow)).ok());
  // user::r--, user:ID:r--, group::---, mask::r--, other::---
  const auto list = [](uint8_t user, uint8_t group) {
    Buffer bytes = {2, 0, 0, 0};
    for (const auto& [who, rights, id] : {std::tuple<uint16_t, uint8_t, uint32_t>{1, 4, UINT32_MAX},
                                          {2, 4, user},
                                          {4, group, UINT32_MAX},
                                          {16, 4, UINT32_MAX},
                                          {32, 0, UINT32_MAX}}) {
      append_le(bytes, who);
      append_le(bytes, static_cast<uint16_t>(rights));
      append_le(bytes, id);
    }
    return bytes;
  };
  const std::string path = temp / "s";
  const auto set = [&](const Buffer& bytes) {
    return ::setxattr(path.c_str(), "system.posix_acl_access", bytes.data(), bytes.size(), 0) == 0;
  };
  REQUIRE(::chmod(path.c_str(), 0400) == 0);
  if (!set(list(0, 0))) SKIP("this file system keeps no access control lists");
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0440);
  CHECK(open_key_file(*keys, "s", KeyKind::kIndex).ok());
  REQUIRE(set(list(77, 0)));  // somebody else's
  CHECK(open_key_file(*keys, "s", KeyKind::kIndex).error().code == Code::kForbidden);
  REQUIRE(set(list(0, 4)));  // the group's too
  CHECK(open_key_file(*keys, "s", KeyKind::kIndex).error().code == Code::kForbidden);
  REQUIRE(::removexattr(path.c_str(), "system.posix_acl_access") == 0);
  REQUIRE(::chmod(path.c_str(), 0440) == 0);  // the same mode without a list
  CHECK(open_key_file(*keys, "s", KeyKind::kIndex).error().code == Code::kForbidden);
  REQUIRE(::chmod(path.c_str(), 0400) == 0);
  CHECK(open_key_file(*keys, "s", KeyKind::kIndex).ok());
}

TEST_CASE("key file: an access control list in no known form is an error") {
  const Buffer sound = {2, 0, 0, 0, 1, 0, 4, 0, 255, 255, 255, 255};
  REQUIRE(os::parse_access_list(sound).value().size() == 1);
  for (size_t size = 0; size < sound.size(); ++size) {
    if (size != 4) CHECK_FALSE(os::parse_access_list(Bytes(sound).first(size)).ok());
  }
  for (const auto& [at, value] : {std::pair<size_t, uint8_t>{0, 1}, {4, 0}, {4, 3}, {4, 64}, {5, 1}, {6, 8}, {7, 1}}) {
    Buffer wrong = sound;
    wrong[at] = value;
    CHECK_FALSE(os::parse_access_list(wrong).ok());
  }
}

TEST_CASE("key file: a failure at any step leaves no half key in the way") {
  for (const Code code : {Code::kIo, Code::kNoSpace}) {
    for (uint64_t n = 1; n <= 5; ++n) {
      tests::FakeDisk disk;
      const auto keys = disk.directory("keys");
      const Key key = signing_example();
      disk.fail_nth(n, code, tests::Part::kHalf);
      CHECK(create_key_file(*keys, "s", key).error().code == code);
      CHECK_FALSE(disk.exists("keys/s"));
      REQUIRE(create_key_file(*keys, "s", key).ok());
      CHECK(open_key_file(*keys, "s", KeyKind::kSigning).ok());
      // And so it is when the power goes instead: nothing, or all of it, and the next run makes it.
      tests::FakeDisk other;
      other.crash_in_nth(n);
      CHECK_FALSE(create_key_file(*other.directory("keys"), "s", key).ok());
      other.power_loss(n);
      const auto again = other.directory("keys");
      if (!other.exists("keys/s")) REQUIRE(create_key_file(*again, "s", key).ok());
      CHECK(open_key_file(*again, "s", KeyKind::kSigning).ok());
    }
  }
  tests::FakeDisk disk;
  REQUIRE(create_key_file(*disk.directory("keys"), "s", signing_example()).ok());
  CHECK(disk.log_text() ==
        std::vector<std::string>{"create keys/s.new",
                                 "write keys/s.new 0+" + std::to_string(std::string(kSigning).size()),
                                 "sync keys/s.new", "rename keys/s.new s", "sync_directory keys"});
  CHECK(disk.unsynced().empty());
}

}  // namespace
}  // namespace khipu::crypto
