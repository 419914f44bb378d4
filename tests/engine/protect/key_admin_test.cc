#include "engine/protect/key_admin.h"

#include "tests/engine/protect/world.h"

namespace khipu::protect {
namespace {

struct Roles {
  tests::FakeDisk disk;
  std::unique_ptr<os::Directory> writer = disk.directory("w"), search = disk.directory("s"),
                                 decrypt = disk.directory("d");
  std::unique_ptr<os::Directory> wrapped = disk.directory("root-keys");
  RootId root{};
  RoleDirectories directories() const { return {writer.get(), search.get(), decrypt.get()}; }
  Result<void> make() { return make_rings(directories(), "log.example", {"auditors", "regulator"}, kNoonUs); }
  std::unique_ptr<Sealer> sealer(const KeyLog& log = {}) {
    return Sealer::open(load_writer_ring(*writer).value(), log, {root, writer.get(), wrapped.get()}, kNoonUs).value();
  }
  std::unique_ptr<Opener> opener(const KeyLog& log) {
    auto opener = Opener::open(load_decrypt_ring(*decrypt).value(), root, disk.directory("root-keys")).value();
    opener->learn(std::make_shared<const KeyLog>(log));
    return opener;
  }
  FieldPlace place() const {
    FieldPlace place;
    place.root = root;
    place.name = {"user", "email"};
    place.entity_id = "u-1";
    return place;
  }
};

TEST_CASE("keys: init makes what each role needs, and no role has another's") {
  Roles roles;
  REQUIRE(roles.make().ok());
  CHECK(roles.disk.files() == std::vector<std::string>{"d/decrypt-auditors-1.key", "d/decrypt-regulator-1.key",
                                                       "s/digest-1.key", "s/token-root-1.key", "w/digest-1.key",
                                                       "w/fingerprint.key", "w/recipient-auditors-1.pub",
                                                       "w/recipient-regulator-1.pub", "w/token-day.key"});
  CHECK(roles.disk.unsynced().empty());
  const auto sealer = roles.sealer();
  const Buffer value = seal(*sealer, roles.place(), "x");
  CHECK(open_text(*roles.opener(sealer->log()), roles.place(), value) == "x");
  const Searcher searcher = Searcher::open(load_search_ring(*roles.search).value()).value();
  std::vector<Token> tokens;
  const IndexRule exact{codec::BlindIndex::kExact, 0};
  REQUIRE(sealer->tokens({"user", "email"}, exact, "x", tokens).ok());
  CHECK(searcher.tokens_of_value({"user", "email"}, exact, "x", epoch_day_of(kNoonUs)).value() == tokens);
  CHECK(roles.make().error().code == Code::kConflict);
}

TEST_CASE("keys: an interrupted init or rotation is taken up, whatever operation was the last") {
  for (uint64_t n = 1; n < 60; ++n) {
    Roles roles;
    roles.disk.fail_nth(n, Code::kIo);
    const bool whole = roles.make().ok();
    if (!whole) REQUIRE(roles.make().ok());
    REQUIRE(roles.disk.files().size() == 9);
    roles.disk.fail_nth(n, Code::kIo);
    if (!rotate(roles.directories(), RotateKind::kRecipients, kNoonUs).ok()) {
      // Who had a new version before the failure may get another one with the second run: nothing is lost by that.
      REQUIRE(rotate(roles.directories(), RotateKind::kRecipients, kNoonUs).ok());
    }
    roles.disk.clear_faults();
    const auto sealer = roles.sealer();
    const Buffer value = seal(*sealer, roles.place(), "x");
    REQUIRE(open_text(*roles.opener(sealer->log()), roles.place(), value) == "x");
  }
}

TEST_CASE("keys: a rotation of digest and token keys leaves what was written searchable") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const IndexRule exact{codec::BlindIndex::kExact, 0};
  const FieldName name{"user", "email"};
  std::vector<Token> before, after;
  REQUIRE(roles.sealer()->tokens(name, exact, "x", before).ok());
  const auto old_digest = roles.sealer()->digest(name, codec::ValueKind::kText, as_bytes("x")).value();
  REQUIRE(rotate(roles.directories(), RotateKind::kDigest, kNoonUs).ok());
  REQUIRE(rotate(roles.directories(), RotateKind::kTokens, kNoonUs).ok());
  const auto sealer = roles.sealer();
  REQUIRE(sealer->tokens(name, exact, "x", after).ok());
  const auto new_digest = sealer->digest(name, codec::ValueKind::kText, as_bytes("x")).value();
  CHECK(before != after);
  CHECK(parse_digest(new_digest)->key_version == 2);
  const Searcher searcher = Searcher::open(load_search_ring(*roles.search).value()).value();
  const uint32_t day = epoch_day_of(kNoonUs);
  const TokenProbe probe = searcher.probe(name, exact, Compare::kExactCi, "X", {day, day}).value();
  for (const auto& token : {before[0], after[0]}) {
    CHECK(std::find(probe.all_of[0].begin(), probe.all_of[0].end(), token) != probe.all_of[0].end());
  }
  CHECK(searcher.digests(name, codec::ValueKind::kText, as_bytes("x")).value() == std::vector{old_digest, new_digest});
}

TEST_CASE("keys: a rotation of the token keys is not undone by a writer that runs, and is taken up at its next step") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const IndexRule exact{codec::BlindIndex::kExact, 0};
  const FieldName name{"user", "email"};
  const auto running = roles.sealer();
  REQUIRE(running->begin_batch(kNoonUs).ok());
  REQUIRE(rotate(roles.directories(), RotateKind::kTokens, kNoonUs).ok());
  const auto version = [&] { return crypto::parse_key(roles.disk.read("w/token-day.key"))->version; };
  const Searcher searcher = Searcher::open(load_search_ring(*roles.search).value()).value();
  const uint32_t day = epoch_day_of(kNoonUs);
  for (const uint32_t later : {0U, 1U, 2U}) {
    REQUIRE(running->begin_batch(kNoonUs + later * kOneDayUs).ok());
    CHECK(version() == 2);
    std::vector<Token> made;
    REQUIRE(running->tokens(name, exact, "x", made).ok());
    const TokenProbe probe =
        searcher.probe(name, exact, Compare::kExactCi, "X", {day, running->log().token_day()}).value();
    CHECK(std::find(probe.all_of[0].begin(), probe.all_of[0].end(), made[0]) != probe.all_of[0].end());
    // From the next step on the tokens are the new chain's.
    SearchRing newest = load_search_ring(*roles.search).value();
    newest.token_roots.erase(newest.token_roots.begin());
    const auto of_newest = Searcher::open(std::move(newest))->tokens_of_value(name, exact, "x", day + later).value();
    CHECK((of_newest == made) == (later > 0));
  }
  // A file that went is an error, as at a start, and never made again from memory.
  REQUIRE(roles.writer->unlink("token-day.key").ok());
  CHECK(running->begin_batch(kNoonUs + 3 * kOneDayUs).error().code == Code::kForbidden);
}

TEST_CASE("keys: re-wrapped keys open with the new key alone once they are adopted, values untouched") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const SubjectName alice{"user", "alice"};
  auto sealer = roles.sealer();
  const Buffer group = seal(*sealer, roles.place(), "group");
  const Buffer person = seal(*sealer, roles.place(), "person", &alice);
  KeyLog log = sealer->log();
  sealer.reset();
  REQUIRE(rotate(roles.directories(), RotateKind::kRecipients, kNoonUs).ok());
  const std::vector<Recipient> recipients = load_recipients(*roles.writer).value();
  CHECK(recipients[0].version == 2);
  const DecryptRing ring = load_decrypt_ring(*roles.decrypt).value();
  const Rewrapped done = rewrap(*roles.wrapped, roles.root, log, ring, recipients).value();
  CHECK(done.files == std::vector<std::string>{"data-0000000001-2.key", "subject-0000000002-2.key"});
  // Nothing counts yet; a second run makes nothing again.
  CHECK(rewrap(*roles.wrapped, roles.root, log, ring, recipients).value().files.empty());
  const auto statements = adoptable(*roles.wrapped, roles.root, log).value();
  REQUIRE(statements.size() == 2);
  for (const auto& statement : statements) REQUIRE(log.apply(statement).ok());
  CHECK(sweep(*roles.wrapped, log).value() == 2);
  CHECK(adoptable(*roles.wrapped, roles.root, log).value().empty());
  CHECK_FALSE(roles.disk.exists("root-keys/data-0000000001-1.key"));
  roles.disk.remove("d/decrypt-auditors-1.key");
  roles.disk.remove("d/decrypt-regulator-1.key");
  const auto opener = roles.opener(log);
  CHECK(open_text(*opener, roles.place(), group) == "group");
  CHECK(open_text(*opener, roles.place(), person) == "person");
  CHECK(rewrap(*roles.wrapped, roles.root, log, ring, recipients).value().as_wanted == 2);
}

TEST_CASE("keys: adopt takes no half file, no other key and no other root's") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const auto sealer = roles.sealer();
  seal(*sealer, roles.place(), "x");
  const KeyLog log = sealer->log();
  const Buffer good = roles.disk.read("root-keys/data-0000000001-1.key");
  const auto offers = [&](const std::function<void(WrappedKey&)>& change, size_t size = SIZE_MAX) {
    WrappedKey key = parse_wrapped(good).value();
    key.name.generation = 2;
    change(key);
    Buffer bytes = encode_wrapped(key);
    bytes.resize(std::min(size, bytes.size()));
    roles.disk.put("root-keys/data-0000000001-2.key", bytes);
    return adoptable(*roles.wrapped, roles.root, log).value().size();
  };
  CHECK(offers([](WrappedKey&) {}) == 1);
  CHECK(offers([](WrappedKey&) {}, 100) == 0);
  CHECK(offers([](WrappedKey& key) { key.commitment[0] ^= 1; }) == 0);
  CHECK(offers([](WrappedKey& key) { key.root[0] ^= 1; }) == 0);
  CHECK(offers([](WrappedKey& key) { key.name.generation = 3; }) == 0);
}

TEST_CASE("keys: what a reader is handed in one piece is sorted by role, and a writer's key is refused") {
  Roles roles;
  REQUIRE(roles.make().ok());
  Buffer text;
  for (const char* path : {"s/token-root-1.key", "d/decrypt-auditors-1.key", "s/digest-1.key"}) {
    append(text, roles.disk.read(path));
  }
  const auto rings = parse_reader_rings(text);
  REQUIRE(rings.ok());
  CHECK(rings->search.token_roots.size() == 1);
  CHECK(rings->search.digests.size() == 1);
  CHECK(rings->decrypt.keys.size() == 1);
  CHECK(parse_reader_rings({}).value().decrypt.empty());
  append(text, roles.disk.read("w/token-day.key"));
  CHECK(parse_reader_rings(text).error().code == Code::kForbidden);
  text.resize(text.size() - 3);
  const auto broken = parse_reader_rings(text);
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.error().message.find("key 4") != std::string::npos);
}

TEST_CASE("keys: a file under the name of another key, or open to others, is refused, never passed over") {
  Roles roles;
  REQUIRE(roles.make().ok());
  SECTION("name") {
    roles.disk.move("w/digest-1.key", "w/digest-2.key");
    CHECK(load_writer_ring(*roles.writer).error().message.find("digest-1.key") != std::string::npos);
  }
  SECTION("rights") {
    os::FileStatus status;
    status.permissions = 0640;
    roles.disk.set_status("w/fingerprint.key", status);
    CHECK(load_writer_ring(*roles.writer).error().code == Code::kForbidden);
  }
  SECTION("names of recipients") {
    for (const char* name : {"", "A", "a-b", "subject", "1a", "a/b", "abcdefghijklmnopqrstuvwxyz0123456"}) {
      CHECK_FALSE(check_recipient_name(name).ok());
    }
    CHECK(check_recipient_name("audit.team_2").ok());
  }
}

TEST_CASE("keys: shredding names the files of a session and of a person") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const SubjectName alice{"user", "alice"};
  auto sealer = roles.sealer();
  seal(*sealer, roles.place(), "x");
  seal(*sealer, roles.place(), "x", &alice);
  CHECK(files_of_session(sealer->log(), 1).value() == std::vector<std::string>{"data-0000000001-1.key"});
  CHECK(files_of_session(sealer->log(), 2).error().code == Code::kNotFound);  // the pair's number
  CHECK(files_of_session(sealer->log(), 9).error().code == Code::kNotFound);
  CHECK(files_of_subject(*roles.wrapped, roles.root, sealer->log(), alice).value() ==
        std::vector<std::string>{"data-0000000003-1.key", "subject-0000000002-1.key"});
  CHECK(files_of_subject(*roles.wrapped, roles.root, sealer->log(), {"user", "bob"}).error().code == Code::kNotFound);
  CHECK(session_number("12").value() == 12);
  for (const char* text : {"", "0", "-1", "1x", "4294967296"}) CHECK_FALSE(session_number(text).ok());
}

}  // namespace
}  // namespace khipu::protect
