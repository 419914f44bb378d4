#include "engine/crypto/hash.h"
#include "engine/protect/key_log.h"
#include "tests/engine/protect/world.h"

namespace khipu::protect {
namespace {

using codec::KeyAction;
using codec::KeyStatement;

WrappedKey example() {
  WrappedKey key;
  key.root.fill(0x11);
  key.name = {WrappedKind::kData, 12, 1};
  key.ring = 1;
  key.created = 1'781'500'027'123'456;
  return key;
}
Recipient recipient_of(const crypto::BoxKeyPair& pair, const std::string& name = "auditors") {
  return {name, 1, pair.public_key()};
}

TEST_CASE("wrapped key: names are read back, and nothing else is taken for one") {
  for (const WrappedName& name :
       {WrappedName{WrappedKind::kData, 1, 1}, WrappedName{WrappedKind::kSubject, UINT32_MAX, 70}}) {
    CHECK(WrappedName::parse(name.text()) == name);
  }
  CHECK(WrappedName{WrappedKind::kData, 12, 3}.text() == "data-0000000012-3.key");
  for (const char* text :
       {"", "data-", "data-12-1.key", "data-0000000012-01.key", "data-0000000012.key", "data-0000000000-1.key",
        "data-0000000012-0.key", "data-4294967296-1.key", "Data-0000000012-1.key", "data-0000000012-1.key.new",
        "subject-000000001a-1.key", "data-.key", "data-+000000012-1.key"}) {
    INFO(text);
    CHECK_FALSE(WrappedName::parse(text).has_value());
  }
}

TEST_CASE("wrapped key: each recipient opens it, others do not, and the set has one hash") {
  const auto alice = crypto::BoxKeyPair::generate(), bob = crypto::BoxKeyPair::generate();
  const auto mallory = crypto::BoxKeyPair::generate();
  WrappedKey key = example();
  const auto secret = crypto::SecretBytes::random(32);
  REQUIRE(key.wrap(secret, {recipient_of(bob, "bob"), recipient_of(alice, "alice")}).ok());
  const auto parsed = parse_wrapped(encode_wrapped(key));
  REQUIRE(parsed.ok());
  for (const crypto::BoxKeyPair* pair : {&alice, &bob}) {
    const auto opened = parsed->unwrap(*pair);
    REQUIRE(opened.ok());
    CHECK(crypto::equal_constant_time(opened->bytes(), secret.bytes()));
  }
  CHECK(parsed->unwrap(mallory).error().code == Code::kForbidden);
  CHECK(recipients_hash({recipient_of(bob, "bob"), recipient_of(alice, "alice")}) ==
        recipients_hash({recipient_of(alice, "alice"), recipient_of(bob, "bob")}));
  CHECK(recipients_hash({recipient_of(bob, "bob")}) != recipients_hash({recipient_of(alice, "bob")}));
}

TEST_CASE("wrapped key: a copy made for another place is not taken, nor one whose commitment is another's") {
  const auto pair = crypto::BoxKeyPair::generate();
  WrappedKey key = example();
  REQUIRE(key.wrap(crypto::SecretBytes::random(32), {recipient_of(pair)}).ok());
  const auto refused = [&](const std::function<void(WrappedKey&)>& change) {
    WrappedKey other = key;
    change(other);
    const auto opened = other.unwrap(pair);
    return !opened.ok() && opened.error().code == Code::kCorrupt;
  };
  CHECK(refused([](WrappedKey& k) { k.root[0] ^= 1; }));
  CHECK(refused([](WrappedKey& k) { k.name.number = 13; }));
  CHECK(refused([](WrappedKey& k) { k.name.kind = WrappedKind::kSubject; }));
  CHECK(refused([](WrappedKey& k) { k.ring = 2; }));
  CHECK(refused([](WrappedKey& k) { k.subject_number = 4; }));
  CHECK(refused([](WrappedKey& k) { k.subject = {"user", "u"}; }));
  CHECK(refused([](WrappedKey& k) { k.public_key[0] ^= 1; }));
  CHECK(refused([](WrappedKey& k) { k.commitment[31] ^= 1; }));
  CHECK(refused([](WrappedKey& k) { k.copies[0].box[60] ^= 1; }));
  CHECK_FALSE(refused([](WrappedKey& k) { k.name.generation = 2; }));  // the same key for others
}

TEST_CASE("wrapped key: every truncation and every flipped bit of the file is refused") {
  const auto pair = crypto::BoxKeyPair::generate();
  WrappedKey key = example();
  REQUIRE(key.wrap(crypto::SecretBytes::random(32), {recipient_of(pair)}).ok());
  const Buffer file = encode_wrapped(key);
  REQUIRE(parse_wrapped(file).ok());
  for (size_t size = 0; size < file.size(); ++size) CHECK_FALSE(parse_wrapped(Bytes(file).first(size)).ok());
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    Buffer changed = file;
    changed[bit / 8] ^= static_cast<uint8_t>(1U << bit % 8);
    CHECK_FALSE(parse_wrapped(changed).ok());
  }
  Buffer longer = file;
  longer.push_back(0);
  CHECK_FALSE(parse_wrapped(longer).ok());
}

TEST_CASE("wrapped key: nothing is sealed to a public key of small order") {
  WrappedKey key = example();
  CHECK(key.wrap(crypto::SecretBytes::random(32), {Recipient{"nobody", 1, {}}}).error().code == Code::kInvalid);
}

KeyStatement statement(KeyAction action, const std::string& name, uint8_t commitment = 1,
                       const std::string& replaces = "") {
  KeyStatement made;
  made.action = action;
  made.name = name;
  made.key.fill(commitment);
  made.replaces = replaces;
  return made;
}
codec::Shred shred_of(const std::string& file) {
  codec::Shred shred;
  shred.files = {file};
  return shred;
}

TEST_CASE("key log: follows data keys, subjects, re-wraps and shreds") {
  KeyLog log;
  REQUIRE(log.apply(statement(KeyAction::kAddVerifier, "log.example")).ok());
  REQUIRE(log.apply(statement(KeyAction::kDataKey, "data-0000000001-1.key")).ok());
  REQUIRE(log.apply(statement(KeyAction::kSubjectKey, "subject-0000000002-1.key", 2)).ok());
  CHECK(log.last_number() == 2);
  REQUIRE(log.apply(statement(KeyAction::kRewrap, "data-0000000001-2.key", 1, "data-0000000001-1.key")).ok());
  CHECK(log.file("data-0000000001-1.key")->state == KeyLog::State::kReplaced);
  CHECK(log.current(1)->name.generation == 2);
  CHECK(log.last_number() == 2);
  REQUIRE(log.apply(shred_of("data-0000000001-2.key")).ok());
  CHECK(log.current(1)->state == KeyLog::State::kShredded);
  CHECK(log.file("data-0000000001-1.key")->state == KeyLog::State::kShredded);  // every generation of it
  CHECK(log.current(2)->state == KeyLog::State::kCurrent);
  CHECK(log.current(9) == nullptr);
  REQUIRE(log.apply(statement(KeyAction::kAddRecipient, "auditors/1")).ok());
  CHECK(log.recipients().size() == 1);
  REQUIRE(log.apply(statement(KeyAction::kRetireRecipient, "auditors/1")).ok());
  CHECK(log.recipients().empty());
}

TEST_CASE("key log: a statement that contradicts those before it is refused") {
  KeyLog log;
  REQUIRE(log.apply(statement(KeyAction::kDataKey, "data-0000000005-1.key")).ok());
  const auto refused = [&](const KeyStatement& statement) {
    KeyLog copy = log;
    const auto applied = copy.apply(statement);
    return !applied.ok() && applied.error().code == Code::kCorrupt;
  };
  CHECK(refused(statement(KeyAction::kDataKey, "data-0000000005-1.key")));
  CHECK(refused(statement(KeyAction::kDataKey, "data-0000000004-1.key")));
  CHECK(refused(statement(KeyAction::kSubjectKey, "data-0000000006-1.key")));
  CHECK(refused(statement(KeyAction::kDataKey, "../signing.key")));
  CHECK(refused(statement(KeyAction::kRewrap, "data-0000000005-2.key", 1, "data-0000000009-1.key")));
  CHECK(refused(statement(KeyAction::kRewrap, "data-0000000005-1.key", 1, "data-0000000005-1.key")));
  CHECK(refused(statement(KeyAction::kRewrap, "data-0000000006-2.key", 1, "data-0000000005-1.key")));
  CHECK(refused(statement(KeyAction::kRewrap, "data-0000000005-2.key", 9, "data-0000000005-1.key")));  // another key
  CHECK(refused(statement(KeyAction::kRetireRecipient, "auditors/1")));
  CHECK_FALSE(log.apply(shred_of("data-0000000006-1.key")).ok());
}

TEST_CASE("key log: statements taken back leave no trace, and a refused one changes nothing") {
  KeyLog log;
  REQUIRE(log.apply(statement(KeyAction::kDataKey, "data-0000000001-1.key")).ok());
  REQUIRE(log.apply(statement(KeyAction::kAddRecipient, "auditors/1")).ok());
  KeyLog::Changes changes;
  codec::Shred half = shred_of("data-0000000001-1.key");
  half.files.push_back("data-0000000009-1.key");
  CHECK_FALSE(log.apply(half, &changes).ok());
  CHECK(log.current(1)->state == KeyLog::State::kCurrent);
  REQUIRE(log.apply(statement(KeyAction::kRewrap, "data-0000000001-2.key", 1, "data-0000000001-1.key"), &changes).ok());
  REQUIRE(log.apply(statement(KeyAction::kSubjectKey, "subject-0000000002-1.key"), &changes).ok());
  REQUIRE(log.apply(statement(KeyAction::kRetireRecipient, "auditors/1"), &changes).ok());
  REQUIRE(log.apply(statement(KeyAction::kAddRecipient, "auditors/2"), &changes).ok());
  REQUIRE(log.apply(shred_of("data-0000000001-2.key"), &changes).ok());
  log.take_back(changes);
  CHECK(log.files().size() == 1);
  CHECK(log.current(1)->name.generation == 1);
  CHECK(log.current(1)->state == KeyLog::State::kCurrent);
  CHECK(log.current(2) == nullptr);
  CHECK(log.last_number() == 1);
  CHECK(log.recipients().size() == 1);
  CHECK(log.recipients().contains("auditors/1"));
}

}  // namespace
}  // namespace khipu::protect
