#include <algorithm>
#include <set>

#include "engine/crypto/aead.h"
#include "engine/protect/derive.h"
#include "tests/engine/protect/world.h"

namespace khipu::protect {
namespace {

TEST_CASE("seal: what the writer sealed, the auditor opens, of every length and kind") {
  World world;
  const auto sealer = world.sealer();
  std::vector<std::pair<std::string, Buffer>> values;
  for (const size_t size : {0, 1, 15, 16, 31, 32, 63, 64, 65, 1000, 100'000}) {
    const std::string text(size, 'x');
    values.emplace_back(text, seal(*sealer, world.place(), text));
    CHECK(values.back().second.size() == sealed_size(padded_size(size)));
  }
  const auto opener = world.opener(sealer->log());
  for (const auto& [text, value] : values) CHECK(open_text(*opener, world.place(), value) == text);
}

TEST_CASE("seal: nothing opens in another place: each bound part changed alone fails") {
  World world;
  const auto sealer = world.sealer();
  const FieldPlace place = world.place();
  const Buffer value = seal(*sealer, place, "alice@example.org");
  const auto opener = world.opener(sealer->log());
  REQUIRE(open_text(*opener, place, value) == "alice@example.org");
  const auto fails = [&](const char* part, const std::function<void(FieldPlace&)>& change) {
    FieldPlace other = place;
    change(other);
    INFO(part);
    CHECK(code_of_open(*opener, other, value) == Code::kCorrupt);
  };
  fails("root", [](FieldPlace& p) { p.root[0] ^= 1; });
  fails("type", [](FieldPlace& p) { p.name.type = "service"; });
  fails("entity id", [](FieldPlace& p) { p.entity_id = "u-2"; });
  fails("field", [](FieldPlace& p) { p.name.field = "name"; });
  fails("kind", [](FieldPlace& p) { p.kind = codec::ValueKind::kJson; });
  fails("record", [](FieldPlace& p) { p.uid[15] ^= 1; });
  // The same letters, cut elsewhere.
  fails("type and id", [](FieldPlace& p) {
    p.name.type = "useru";
    p.entity_id = "-1";
  });
  fails("id and field", [](FieldPlace& p) {
    p.entity_id = "u-1e";
    p.name.field = "mail";
  });
  Buffer ring = value;
  ring[1] ^= 1;
  CHECK(code_of_open(*opener, place, ring) == Code::kCorrupt);
}

TEST_CASE("seal: every flipped bit of a value is found") {
  World world;
  const auto sealer = world.sealer();
  const Buffer value = seal(*sealer, world.place(), "secret");
  const auto opener = world.opener(sealer->log());
  for (size_t bit = 0; bit < value.size() * 8; ++bit) {
    Buffer changed = value;
    changed[bit / 8] ^= static_cast<uint8_t>(1U << bit % 8);
    INFO(bit);
    const auto opened = opener->open(world.place(), changed);
    REQUIRE_FALSE(opened.ok());
    CHECK((opened.error().code == Code::kCorrupt || opened.error().code == Code::kNotFound));
  }
  for (size_t size = 0; size < value.size(); ++size) {
    CHECK(code_of_open(*opener, world.place(), Bytes(value).first(size)) == Code::kCorrupt);
  }
}

TEST_CASE("seal: ciphertext moved between sessions does not open, and a session is over after an hour") {
  World world;
  const auto sealer = world.sealer();
  REQUIRE(sealer->begin_batch(kNoonUs).ok());
  const Buffer first = seal(*sealer, world.place(), "one");
  REQUIRE(sealer->begin_batch(kNoonUs + kSessionUs - 1).ok());
  const Buffer same = seal(*sealer, world.place(), "two");
  REQUIRE(sealer->begin_batch(kNoonUs + kSessionUs).ok());
  const Buffer later = seal(*sealer, world.place(), "three");
  CHECK(parse_sealed(first)->key_number == parse_sealed(same)->key_number);
  CHECK(parse_sealed(first)->key_number != parse_sealed(later)->key_number);
  const auto opener = world.opener(sealer->log());
  CHECK(open_text(*opener, world.place(), first) == "one");
  CHECK(open_text(*opener, world.place(), later) == "three");
  Buffer moved = first;
  store_le(moved.data() + 3, parse_sealed(later)->key_number);
  CHECK(code_of_open(*opener, world.place(), moved) == Code::kCorrupt);
  // A clock that goes back ends it, too.
  REQUIRE(sealer->begin_batch(kNoonUs).ok());
  CHECK(parse_sealed(seal(*sealer, world.place(), "four"))->key_number > parse_sealed(later)->key_number);
}

TEST_CASE("seal: a session whose time is over ends without another value") {
  World world;
  const auto sealer = world.sealer();
  CHECK_FALSE(sealer->end_session_when_over(kNoonUs));  // there is none
  REQUIRE(sealer->begin_batch(kNoonUs).ok());
  const auto first = parse_sealed(seal(*sealer, world.place(), "one")).value().key_number;
  CHECK_FALSE(sealer->end_session_when_over(kNoonUs + kSessionUs - 1));
  CHECK(parse_sealed(seal(*sealer, world.place(), "two")).value().key_number == first);
  CHECK(sealer->end_session_when_over(kNoonUs + kSessionUs));
  CHECK_FALSE(sealer->end_session_when_over(kNoonUs + kSessionUs));
  CHECK(parse_sealed(seal(*sealer, world.place(), "three")).value().key_number != first);
  CHECK(sealer->end_session_when_over(kNoonUs - 1));  // the clock went back
}

TEST_CASE("seal: a key statement is due for each data key, before it is known to anybody") {
  World world;
  const auto sealer = world.sealer();
  auto due = sealer->take_due();
  REQUIRE(due.size() == 1);
  CHECK(due[0].action == codec::KeyAction::kAddRecipient);
  CHECK(due[0].name == "auditors/1");
  const Buffer value = seal(*sealer, world.place(), "one");
  due = sealer->take_due();
  REQUIRE(due.size() == 1);
  CHECK(due[0].action == codec::KeyAction::kDataKey);
  CHECK(due[0].name == "data-0000000001-1.key");
  CHECK(world.disk.unsynced().empty());  // the file was whole on the disk before the statement was handed out
  CHECK(sealer->take_due().empty());
  seal(*sealer, world.place(), "two");
  CHECK(sealer->take_due().empty());

  const auto opener = world.opener({});  // has seen no statement
  CHECK(code_of_open(*opener, world.place(), value) == Code::kNotFound);
  auto log = std::make_shared<KeyLog>();
  REQUIRE(log->apply(due[0]).ok());
  opener->learn(log);
  CHECK(open_text(*opener, world.place(), value) == "one");
}

TEST_CASE("seal: another start goes on behind the numbers that were given, also those of no statement") {
  World world;
  KeyLog log;
  {
    const auto sealer = world.sealer();
    seal(*sealer, world.place(), "lost with the crash");
    CHECK(world.disk.exists("root-keys/data-0000000001-1.key"));
  }
  const auto sealer = world.sealer(kNoonUs, log);  // the statement was never committed
  const Buffer value = seal(*sealer, world.place(), "kept");
  CHECK(parse_sealed(value)->key_number == 2);
  const auto opener = world.opener(sealer->log());
  CHECK(open_text(*opener, world.place(), value) == "kept");
}

TEST_CASE("seal: swapped or changed wrapped keys are caught before any value is opened") {
  World world;
  const auto sealer = world.sealer();
  const Buffer first = seal(*sealer, world.place(), "one");
  sealer->end_session();
  const Buffer second = seal(*sealer, world.place(), "two");
  const std::string a = "root-keys/data-0000000001-1.key", b = "root-keys/data-0000000002-1.key";
  const Buffer bytes_a = world.disk.read(a), bytes_b = world.disk.read(b);

  SECTION("files changed places") {
    world.disk.put(a, bytes_b);
    const auto opener = world.opener(sealer->log());
    CHECK(code_of_open(*opener, world.place(), first) == Code::kCorrupt);
    CHECK(open_text(*opener, world.place(), second) == "two");
  }
  SECTION("a statement that lies about the file is caught by the commitment inside") {
    // Somebody who can write statements, too: a file that says it is number 1 and holds another key.
    auto forged = parse_wrapped(bytes_a);
    const auto other = parse_wrapped(bytes_b);
    REQUIRE((forged.ok() && other.ok()));
    forged->copies = other->copies;
    const Buffer bytes = encode_wrapped(*forged);
    world.disk.put(a, bytes);
    KeyLog log;
    codec::KeyStatement statement;
    statement.action = codec::KeyAction::kDataKey;
    statement.name = "data-0000000001-1.key";
    statement.key = forged->commitment;
    statement.file_sha256 = crypto::sha256(bytes);
    REQUIRE(log.apply(statement).ok());
    const auto opener = world.opener(log);
    const auto opened = opener->open(world.place(), first);
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == Code::kCorrupt);
    CHECK(opened.error().message.find("another place") != std::string::npos);
  }
  SECTION("every byte of the file") {
    for (size_t i = 0; i < bytes_a.size(); ++i) {
      Buffer changed = bytes_a;
      changed[i] ^= 0x10;
      world.disk.put(a, changed);
      const auto opener = world.opener(sealer->log());
      INFO(i);
      CHECK(code_of_open(*opener, world.place(), first) == Code::kCorrupt);
    }
  }
  SECTION("missing") {
    world.disk.remove(a);
    const auto opener = world.opener(sealer->log());
    CHECK(code_of_open(*opener, world.place(), first) == Code::kNotFound);
  }
}

TEST_CASE("seal: whoever holds other keys, or none, opens nothing") {
  World world;
  const auto sealer = world.sealer();
  const Buffer value = seal(*sealer, world.place(), "one");
  World stranger;
  auto opened = Opener::open({}, world.root, world.disk.directory("root-keys"));
  REQUIRE(opened.ok());
  (*opened)->learn(std::make_shared<const KeyLog>(sealer->log()));
  CHECK(code_of_open(**opened, world.place(), value) == Code::kForbidden);
  DecryptRing ring;
  ring.keys.push_back(make_key(crypto::KeyKind::kDecrypt, "auditors", 1, 0, 0x77));
  opened = Opener::open(std::move(ring), world.root, world.disk.directory("root-keys"));
  (*opened)->learn(std::make_shared<const KeyLog>(sealer->log()));
  CHECK(code_of_open(**opened, world.place(), value) == Code::kForbidden);
}

TEST_CASE("seal: a missing key is an error that names the file, never a weaker fallback") {
  World world;
  auto sealer = Sealer::open({}, {}, {world.root, world.key_side.get(), world.wrapped.get()}, kNoonUs);
  REQUIRE(sealer.ok());
  Buffer value;
  const auto sealed = (*sealer)->seal(world.place(), as_bytes("x"), nullptr, value);
  REQUIRE_FALSE(sealed.ok());
  CHECK(sealed.error().code == Code::kForbidden);
  CHECK(sealed.error().message.find("recipient-") != std::string::npos);
  CHECK(value.empty());
  std::vector<Token> tokens;
  CHECK((*sealer)->tokens({"user", "email"}, {codec::BlindIndex::kExact, 0}, "x", tokens).error().code ==
        Code::kForbidden);
  CHECK((*sealer)->digest({"user", "email"}, codec::ValueKind::kText, as_bytes("x")).error().code == Code::kForbidden);
  CHECK((*sealer)->fingerprint({"user", "email"}, "u", codec::ValueKind::kText, as_bytes("x")).error().code ==
        Code::kForbidden);
}

TEST_CASE("seal: rotation: new sessions go to the newest key of each recipient, old values stay readable") {
  World world;
  auto sealer = world.sealer();
  const Buffer old_value = seal(*sealer, world.place(), "old");
  const KeyLog log = sealer->log();
  world.decrypts.push_back(make_key(crypto::KeyKind::kDecrypt, "auditors", 2, kNoonUs, 0xA2));
  world.decrypts.push_back(make_key(crypto::KeyKind::kDecrypt, "regulator", 1, kNoonUs, 0xB1));
  world.hand_out();
  sealer = world.sealer(kNoonUs, log);
  std::vector<std::string> said;
  for (const auto& statement : sealer->take_due()) {
    said.push_back((statement.action == codec::KeyAction::kRetireRecipient ? "-" : "+") + statement.name);
  }
  CHECK(said == std::vector<std::string>{"-auditors/1", "+auditors/2", "+regulator/1"});
  const Buffer new_value = seal(*sealer, world.place(), "new");
  CHECK(parse_sealed(new_value)->ring == 2);
  const auto all = world.opener(sealer->log());
  CHECK(open_text(*all, world.place(), old_value) == "old");
  CHECK(open_text(*all, world.place(), new_value) == "new");
  world.decrypts.erase(world.decrypts.begin(), world.decrypts.begin() + 2);
  const auto regulator = world.opener(sealer->log());
  CHECK(open_text(*regulator, world.place(), new_value) == "new");
  CHECK(code_of_open(*regulator, world.place(), old_value) == Code::kForbidden);
}

TEST_CASE("seal: a million nonces are unique") {
  World world;
  const auto sealer = world.sealer();
  const FieldPlace place = world.place();
  std::vector<std::array<uint8_t, 24>> nonces;
  nonces.reserve(1'000'000);
  Buffer value;
  for (int i = 0; i < 1'000'000; ++i) {
    value.clear();
    REQUIRE(sealer->seal(place, as_bytes("x"), nullptr, value).ok());
    std::memcpy(nonces.emplace_back().data(), value.data() + 7, 24);
  }
  std::sort(nonces.begin(), nonces.end());
  CHECK(std::adjacent_find(nonces.begin(), nonces.end()) == nonces.end());
}

TEST_CASE("seal: a writer's host cannot read what it wrote, with every file it has") {
  World world;
  Buffer value;
  KeyLog log;
  {
    const auto sealer = world.sealer();
    value = seal(*sealer, world.place(), "alice@example.org");
    log = sealer->log();
  }
  // All there is: the key side and ROOT/keys. Every 32 bytes that any of it holds are tried as a decrypt key, as a data
  // key and as the field's key.
  const auto sealed = parse_sealed(value);
  Buffer associated;
  REQUIRE(associated_data(world.place(), sealed->ring, sealed->key_number, associated).ok());
  size_t tried = 0;
  const auto try_key = [&](Bytes key) {
    ++tried;
    Buffer text(sealed->size_class());
    CHECK_FALSE(crypto::aead_open(key, sealed->nonce, associated, sealed->ciphertext, text));
    Hash derived = field_key(key, world.place().name);
    CHECK_FALSE(crypto::aead_open(derived, sealed->nonce, associated, sealed->ciphertext, text));
    DecryptRing ring;
    ring.keys.push_back(make_key(crypto::KeyKind::kDecrypt, "auditors", 1, 0, 0));
    ring.keys[0].bytes = crypto::SecretBytes::copy_of(key);
    auto opener = Opener::open(std::move(ring), world.root, world.disk.directory("root-keys"));
    (*opener)->learn(std::make_shared<const KeyLog>(log));
    CHECK_FALSE((*opener)->open(world.place(), value).ok());
  };
  for (const std::string& path : world.disk.files()) {
    const Buffer bytes = world.disk.read(path);
    if (path.starts_with("root-keys/")) {
      for (size_t at = 0; at + 32 <= bytes.size(); ++at) try_key(Bytes(bytes).subspan(at, 32));
    } else {
      const auto key = crypto::parse_key(bytes);
      REQUIRE(key.ok());
      try_key(key->bytes.bytes());
    }
  }
  CHECK(tried > 200);
  // The right key, to see that the trial itself works.
  CHECK(open_text(*world.opener(log), world.place(), value) == "alice@example.org");
}

}  // namespace
}  // namespace khipu::protect
