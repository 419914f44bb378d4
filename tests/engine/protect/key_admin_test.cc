#include "engine/protect/key_admin.h"

#include "engine/crypto/hash.h"
#include "tests/engine/protect/roles.h"

namespace khipu::protect {
namespace {

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
    if (!rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs).ok()) {
      // Who had a new version before the failure may get another one with the second run: nothing is lost by that.
      REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs).ok());
    }
    roles.disk.clear_faults();
    const auto sealer = roles.sealer();
    const Buffer value = seal(*sealer, roles.place(), "x");
    REQUIRE(open_text(*roles.opener(sealer->log()), roles.place(), value) == "x");
  }
}

TEST_CASE("keys: files planted ahead of a writer that runs cost it numbers, not values") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const auto sealer = roles.sealer();
  REQUIRE(parse_sealed(seal(*sealer, roles.place(), "x"))->key_number == 1);
  for (const char* name : {"subject-0000000002-1.key", "data-0000000003-1.key", "subject-0000000004-1.key"}) {
    roles.disk.put(std::string("root-keys/") + name, Buffer{1, 2, 3});
  }
  const SubjectName alice{"user", "alice"};
  const Buffer person = seal(*sealer, roles.place(), "y", &alice);
  CHECK(parse_sealed(person)->key_number == 6);
  CHECK(open_text(*roles.opener(sealer->log()), roles.place(), person) == "y");
}

TEST_CASE("keys: readers' folders of another log are refused, and nothing is made") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const auto other = roles.disk.directory("other");
  const auto files = roles.disk.files();
  const RoleDirectories shared{other.get(), roles.search.get(), roles.decrypt.get()};
  const auto made = make_rings(shared, "other.example", {"auditors"}, kNoonUs);
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == Code::kConflict);
  CHECK_THAT(made.error().message, ContainsSubstring("log.example"));
  CHECK(roles.disk.files() == files);
  // Also with the searches' keys moved away already.
  const auto nowhere = roles.disk.directory("nowhere");
  const RoleDirectories half{other.get(), nowhere.get(), roles.decrypt.get()};
  CHECK(make_rings(half, "other.example", {"auditors"}, kNoonUs).error().code == Code::kConflict);
  CHECK(roles.disk.files() == files);
  // A rotation looks as well; the log's own folders are taken, and fresh ones.
  const auto s = roles.disk.directory("s2"), d = roles.disk.directory("d2");
  const RoleDirectories own{other.get(), s.get(), d.get()};
  REQUIRE(make_rings(own, "other.example", {"auditors"}, kNoonUs).ok());
  CHECK(rotate(shared, "other.example", RotateKind::kRecipients, kNoonUs).error().code == Code::kConflict);
  CHECK(rotate({other.get(), nowhere.get(), d.get()}, "other.example", RotateKind::kRecipients, kNoonUs).ok());
  CHECK(rotate(own, "other.example", RotateKind::kDigest, kNoonUs).ok());
}

TEST_CASE("keys: a rotation of recipients makes decrypt keys of the names it was given") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const auto made = rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs, {"regulator"});
  REQUIRE(made.ok());
  CHECK(*made == std::vector<std::string>{"d/decrypt-regulator-2.key", "w/recipient-regulator-2.pub"});
  CHECK(rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs, {"nobody"}).error().code ==
        Code::kNotFound);
}

TEST_CASE("keys: a rotation of digest and token keys leaves what was written searchable") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const IndexRule exact{codec::BlindIndex::kExact, 0};
  const FieldName name{"user", "email"};
  std::vector<Token> before, after;
  REQUIRE(roles.sealer()->tokens(name, exact, "x", before).ok());
  const auto old_digest = roles.sealer()->digest(name, codec::ValueKind::kText, as_bytes("x")).value();
  REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kDigest, kNoonUs).ok());
  REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kTokens, kNoonUs).ok());
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
  REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kTokens, kNoonUs).ok());
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
  REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs).ok());
  const std::vector<Recipient> recipients = load_recipients(*roles.writer).value();
  CHECK(recipients[0].version == 2);
  const DecryptRing ring = load_decrypt_ring(*roles.decrypt).value();
  const Rewrapped cut_short = rewrap(*roles.wrapped, roles.root, log, ring, recipients).value();
  CHECK(names(cut_short.list) == std::vector<std::string>{"data-0000000001-2.key", "subject-0000000002-2.key"});
  // Nothing counts yet, and what lies there is nobody's: a second run makes its own.
  const Rewrapped done = rewrap(*roles.wrapped, roles.root, log, ring, recipients).value();
  CHECK(names(done.list) == std::vector<std::string>{"data-0000000001-3.key", "subject-0000000002-3.key"});
  const auto statements = adoptable(*roles.wrapped, roles.root, log, done.list).value();
  REQUIRE(statements.size() == 2);
  for (const auto& statement : statements) REQUIRE(log.apply(statement).ok());
  CHECK(sweep(*roles.wrapped, log).value().gone == 4);
  CHECK(adoptable(*roles.wrapped, roles.root, log, done.list).value().empty());
  CHECK(adoptable(*roles.wrapped, roles.root, log, cut_short.list).value().empty());  // overtaken
  CHECK_FALSE(roles.disk.exists("root-keys/data-0000000001-1.key"));
  roles.disk.remove("d/decrypt-auditors-1.key");
  roles.disk.remove("d/decrypt-regulator-1.key");
  const auto opener = roles.opener(log);
  CHECK(open_text(*opener, roles.place(), group) == "group");
  CHECK(open_text(*opener, roles.place(), person) == "person");
  CHECK(rewrap(*roles.wrapped, roles.root, log, ring, recipients).value().as_wanted == 2);
}

TEST_CASE("keys: a re-wrap goes on past files that are gone or changed, and names them") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const SubjectName alice{"user", "alice"}, bob{"user", "bob"};
  auto sealer = roles.sealer();
  const Buffer group = seal(*sealer, roles.place(), "group");
  (void)seal(*sealer, roles.place(), "person", &alice);
  (void)seal(*sealer, roles.place(), "person", &bob);
  const KeyLog log = sealer->log();
  sealer.reset();
  REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs).ok());
  const std::vector<Recipient> recipients = load_recipients(*roles.writer).value();
  const DecryptRing ring = load_decrypt_ring(*roles.decrypt).value();
  std::vector<std::string> people;
  for (const auto& [name, file] : log.files()) {
    if (name.starts_with("subject-")) people.push_back(name);
  }
  REQUIRE(people.size() == 2);
  roles.disk.edit("root-keys/" + people[0], [](Buffer& file) { file[60] ^= 1; });
  roles.disk.remove("root-keys/" + people[1]);
  const Rewrapped done = rewrap(*roles.wrapped, roles.root, log, ring, recipients).value();
  CHECK(names(done.list) == std::vector<std::string>{"data-0000000001-2.key"});
  REQUIRE(done.left.size() == 2);
  for (size_t i = 0; i < 2; ++i) CHECK(done.left[i].message.find(people[i]) != std::string::npos);
  roles.disk.remove("root-keys/data-0000000001-1.key");
  CHECK_FALSE(rewrap(*roles.wrapped, roles.root, log, ring, recipients).ok());
}

TEST_CASE("keys: what was copied there is on the disk before it is adopted, or is not adopted") {
  Roles roles;
  REQUIRE(roles.make().ok());
  auto sealer = roles.sealer();
  const Buffer value = seal(*sealer, roles.place(), "x");
  const KeyLog before = sealer->log();
  sealer.reset();
  REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs).ok());
  const Rewrapped done = rewrap(*roles.wrapped, roles.root, before, load_decrypt_ring(*roles.decrypt).value(),
                                load_recipients(*roles.writer).value())
                             .value();
  const std::string name = names(done.list).at(0), path = "root-keys/" + name;
  const Buffer bytes = roles.disk.read(path);
  const auto copy = [&] {  // as cp does: nothing is synced
    if (roles.disk.exists(path)) roles.disk.remove(path);
    REQUIRE(roles.wrapped->open_file(name, os::Mode::kCreateNew).value()->write_at(0, bytes).ok());
  };
  copy();
  roles.disk.fail_when([](const tests::DiskEvent& event) { return event.operation == tests::DiskOperation::kSync; },
                       Code::kIo);
  CHECK_FALSE(adoptable(*roles.wrapped, roles.root, before, done.list).ok());
  CHECK_FALSE(roles.disk.exists(path));  // the next sync would say yes and do nothing
  roles.disk.clear_faults();
  copy();
  KeyLog log = before;
  const auto statements = adoptable(*roles.wrapped, roles.root, log, done.list).value();
  REQUIRE(statements.size() == 1);
  REQUIRE(log.apply(statements[0]).ok());
  REQUIRE(sweep(*roles.wrapped, log).ok());
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto after = roles.disk.clone();
    after->power_loss(seed);
    REQUIRE(after->exists(path));
    REQUIRE(after->read(path) == bytes);
  }
}

TEST_CASE("keys: adopt takes what the list names, and no half file, other key or other root's") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const auto sealer = roles.sealer();
  seal(*sealer, roles.place(), "x");
  const KeyLog log = sealer->log();
  const Buffer good = roles.disk.read("root-keys/data-0000000001-1.key");
  const auto offers = [&](const std::function<void(WrappedKey&)>& change, size_t size = SIZE_MAX) -> Result<size_t> {
    WrappedKey key = parse_wrapped(good).value();
    key.name.generation = 2;
    change(key);
    Buffer bytes = encode_wrapped(key);
    bytes.resize(std::min(size, bytes.size()));
    roles.disk.put("root-keys/data-0000000001-2.key", bytes);
    const RewrapList list{roles.root, {{"data-0000000001-2.key", crypto::sha256(bytes)}}};
    KHIPU_TRY_ASSIGN(const auto statements, adoptable(*roles.wrapped, roles.root, log, list));
    return statements.size();
  };
  const auto refused = [](const Result<size_t>& offered) {
    return !offered.ok() && offered.error().code == Code::kCorrupt;
  };
  CHECK(refused(offers([](WrappedKey&) {}, 100)));
  CHECK(refused(offers([](WrappedKey& key) { key.commitment[0] ^= 1; })));
  CHECK(refused(offers([](WrappedKey& key) { key.root[0] ^= 1; })));
  CHECK(refused(offers([](WrappedKey& key) { key.name.generation = 3; })));
  CHECK(offers([](WrappedKey&) {}).value() == 1);
  const auto of_list = [&](const RewrapList& list) {
    const auto statements = adoptable(*roles.wrapped, roles.root, log, list);
    return statements.ok() ? std::to_string(statements->size()) : std::string(code_name(statements.error().code));
  };
  const Hash sha256 = crypto::sha256(roles.disk.read("root-keys/data-0000000001-2.key"));
  CHECK(of_list({roles.root, {}}) == "0");  // it lies there, and nobody named it
  CHECK(of_list({roles.root, {{"data-0000000001-2.key", Hash{}}}}) == "corrupt");
  CHECK(of_list({roles.root, {{"data-0000000001-3.key", sha256}}}) == "not_found");
  CHECK(of_list({roles.root, {{"data-0000000007-2.key", sha256}}}) == "conflict");
  CHECK(of_list({RootId{9}, {{"data-0000000001-2.key", sha256}}}) == "conflict");
}

TEST_CASE("keys: a re-wrap goes round files that others left, and takes none of them for its own") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const auto sealer = roles.sealer();
  seal(*sealer, roles.place(), "x");
  const KeyLog log = sealer->log();
  REQUIRE(rotate(roles.directories(), "log.example", RotateKind::kRecipients, kNoonUs).ok());
  const std::vector<Recipient> recipients = load_recipients(*roles.writer).value();
  const DecryptRing ring = load_decrypt_ring(*roles.decrypt).value();
  // The public commitment, the wanted recipients, and boxes that hold nothing.
  WrappedKey planted = parse_wrapped(roles.disk.read("root-keys/data-0000000001-1.key")).value();
  planted.copies.clear();
  for (const Recipient& recipient : recipients) planted.copies.push_back({recipient, {}});
  for (const uint32_t generation : {2U, UINT32_MAX}) {
    planted.name.generation = generation;
    roles.disk.put("root-keys/" + planted.name.text(), encode_wrapped(planted));
  }
  const Rewrapped done = rewrap(*roles.wrapped, roles.root, log, ring, recipients).value();
  CHECK(done.as_wanted == 0);
  CHECK(names(done.list) == std::vector<std::string>{"data-0000000001-3.key"});
}

TEST_CASE("keys: recipients are sealed to when they are named by their fingerprints, all of them and no others") {
  Roles roles;
  REQUIRE(roles.make().ok());
  const std::vector<Recipient> recipients = load_recipients(*roles.writer).value();
  REQUIRE(recipients.size() == 2);
  const std::string auditors = recipient_label(recipients[0]), regulator = recipient_label(recipients[1]);
  CHECK(auditors.starts_with("auditors/1="));
  CHECK(auditors.size() == std::string("auditors/1=").size() + 32);
  CHECK(check_recipients(recipients, {regulator, auditors}).ok());
  const auto refused = [&](const std::vector<std::string>& named) {
    const Result<void> checked = check_recipients(recipients, named);
    return checked.ok() ? std::string() : checked.error().message;
  };
  CHECK_THAT(refused({}), ContainsSubstring(auditors + " " + regulator));
  CHECK_THAT(refused({auditors}), ContainsSubstring("not named: " + regulator));
  CHECK_THAT(refused({auditors, regulator, "x/1=00"}), ContainsSubstring("x/1=00"));
  CHECK_THAT(refused({"auditors/1=" + std::string(32, '0'), regulator}), ContainsSubstring(auditors));
}

TEST_CASE("keys: the list of a re-wrap is read as it was written, and otherwise not at all") {
  RewrapList list;
  list.root.fill(0xab);
  list.files["data-0000000001-2.key"].fill(0x11);
  list.files["subject-0000000002-2.key"].fill(0x22);
  const std::string text = print_rewrap_list(list);
  CHECK(text == "# khipu-rewrapped/v1 abababababababababababababababab\n" + hex(list.files.begin()->second) +
                    "  data-0000000001-2.key\n" + hex(list.files.rbegin()->second) + "  subject-0000000002-2.key\n");
  const RewrapList again = parse_rewrap_list(text).value();
  CHECK(again.root == list.root);
  CHECK(again.files == list.files);
  const std::string head = text.substr(0, text.find('\n') + 1), line = text.substr(head.size(), 88);
  REQUIRE(line.ends_with(".key\n"));
  CHECK(parse_rewrap_list(head).value().files.empty());
  std::string later = line;
  later[later.size() - 6] = '3';
  for (const std::string& bad :
       {std::string(), text.substr(1), text.substr(0, text.size() - 1), text + "\n", head + line + line,
        head + line + later, head + "A" + line.substr(1), head + line.substr(0, 66) + "../signing.key\n",
        head + line.substr(0, 60), "# khipu-rewrapped/v2" + text.substr(20)}) {
    INFO(bad);
    const auto parsed = parse_rewrap_list(bad);
    CHECK((!parsed.ok() && parsed.error().code == Code::kCorrupt));
  }
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

}  // namespace
}  // namespace khipu::protect
