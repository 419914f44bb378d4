// What the writer does with values of protected fields: nothing of them is on the disk in the clear, what did not
// change makes no version, and a key that is missing is an error.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "engine/codec/protected.h"
#include "engine/crypto/hash.h"
#include "engine/protect/sealer.h"
#include "engine/registry/schema.h"
#include "engine/snapshot/store.h"
#include "engine/writer/writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/protecting.h"
#include "tests/support/temp_directory.h"

using namespace khipu;

namespace {

constexpr std::string_view kNeedle = "needle-4711@example.org";
constexpr std::string_view kCard = "card-5500-0000-0000-0004";

struct Root {
  Root() {
    root = os::create_directory(temp.path() + "/root", 0750).value();
    keys = os::create_directory(temp.path() + "/root.keys", 0700).value();
    REQUIRE(writer::initialize(environment(), {"example.org/audit"}).ok());
  }
  writer::Environment environment() { return {*root, *keys, *clock, os::system_random()}; }
  std::unique_ptr<writer::Writer> open() {
    auto opened = writer::Writer::open(environment(), {});
    INFO((opened.ok() ? "" : opened.error().message));
    REQUIRE(opened.ok());
    return std::move(opened).value();
  }
  std::shared_ptr<const snapshot::Snapshot> snapshot() {
    if (!store) store = snapshot::Store::open(os::open_directory(temp.path() + "/root").value()).value();
    return store->snapshot().value();
  }
  Buffer payload(TableId table, uint64_t row) { return snapshot()->record(table, {row}).value().payload; }
  // Every byte of every file of the root and its keys.
  bool anywhere(std::string_view text) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(temp.path())) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      std::stringstream bytes;
      bytes << file.rdbuf();
      if (bytes.str().find(text) != std::string::npos) return true;
    }
    return false;
  }
  tests::TempDirectory temp;
  os::Clock* clock = &os::system_clock();
  std::unique_ptr<os::Directory> root, keys;
  std::unique_ptr<snapshot::Store> store;
};

codec::FieldSchema field(const char* name, const char* rule) {
  codec::FieldSchema made;
  made.name = name;
  made.rule = *codec::rule(rule);
  return made;
}

ingest::Batch schema() {
  ingest::Batch batch;
  batch.statements.push_back(codec::TypeStatement{
      {"patient",
       {field("name", "none"), field("email", "sealed,exact,ngram(3),accept_leak"), field("ssn", "digest")}}});
  codec::ColumnSchema card;
  card.name = "card";
  card.indexed = true;
  card.rule = *codec::rule("sealed,exact");
  batch.statements.push_back(codec::ColumnStatement{card});
  return batch;
}

ingest::Batch event(std::initializer_list<std::pair<std::string_view, std::string_view>> fields,
                    std::string_view card = {}) {
  ingest::Batch batch;
  ingest::Event event;
  event.actor.type = "patient";
  event.actor.id = "p-1";
  std::vector<ingest::FieldInput> inputs;
  for (const auto& [name, value] : fields) inputs.push_back({name, false, codec::Value::of_text(batch.keep(value))});
  event.actor.fields = batch.keep(std::span<const ingest::FieldInput>(inputs));
  event.action = "PUT";
  event.source_ip = "198.51.100.77";
  event.content_kind = codec::ContentKind::kText;
  event.content = batch.keep(as_bytes("wrote to " + std::string(kNeedle)));
  if (!card.empty()) {
    const ingest::ColumnInput column{"card", codec::Value::of_text(batch.keep(card))};
    event.custom = batch.keep(std::span<const ingest::ColumnInput>(&column, 1));
  }
  batch.events.push_back(event);
  return batch;
}

void accepted(const Result<writer::Receipt>& receipt) {
  INFO((receipt.ok() ? "" : receipt.error().message));
  REQUIRE(receipt.ok());
}

codec::VersionRecord version(const Buffer& payload) {
  codec::VersionRecord record;
  REQUIRE(codec::decode_version(payload, record).ok());
  return record;
}

codec::ProtectedValue value_of(const codec::VersionRecord& record, std::string_view name) {
  for (const codec::NamedValue& field : record.fields) {
    if (field.name == name) return codec::decode_protected(as_bytes(field.value.text)).value();
  }
  FAIL("no such field");
  return {};
}

}  // namespace

TEST_CASE("protecting: values of protected fields, and the content beside them, are nowhere in the clear (P7)") {
  Root root;
  const tests::FieldKeys keys;
  keys.give_writer(*root.keys);
  auto writer = root.open();
  accepted(writer->submit_and_wait(schema()));
  accepted(writer->submit_and_wait(event({{"name", "Ada"}, {"email", kNeedle}, {"ssn", "ssn-078-05-1120"}}, kCard)));
  for (const std::string_view text : {kNeedle, kCard, std::string_view("ssn-078"), std::string_view("198.51.100.77")}) {
    INFO(text);
    CHECK_FALSE(root.anywhere(text));
  }
  CHECK(root.anywhere("Ada"));
  const Buffer payload = root.payload(TableId::kRegistry, 0), logged = root.payload(TableId::kLogs, 0);
  const codec::VersionRecord record = version(payload);
  const codec::ProtectedValue email = value_of(record, "email"), ssn = value_of(record, "ssn");
  CHECK(email.kind == codec::Protection::kSealed);
  CHECK(email.indexes == 2);
  CHECK(email.tokens[0].size() == 8);
  CHECK(ssn.kind == codec::Protection::kDigest);
  codec::EventRecord first;
  REQUIRE(codec::decode_event(logged, first).ok());
  CHECK(first.sealed.members == (codec::SealedContent::kSourceIp | codec::SealedContent::kText));
  REQUIRE(first.custom.size() == 1);
  CHECK(first.custom[0].value.is_protected());

  // Who holds the decrypt key reads all of it, bound to the uids that the records bear.
  protect::KeyLog log;
  const auto snapshot = root.snapshot();
  for (uint64_t row = 0; row < snapshot->size(TableId::kMeta); ++row) {
    const Buffer statement_payload = root.payload(TableId::kMeta, row);
    const auto statement = codec::decode_statement(statement_payload);
    REQUIRE(statement.ok());
    if (const auto* key = std::get_if<codec::KeyStatement>(&statement->body)) REQUIRE(log.apply(*key).ok());
  }
  protect::DecryptRing ring;
  auto& held = ring.keys.emplace_back();
  held.kind = keys.decrypt.kind;
  held.name = keys.decrypt.name;
  held.created = keys.decrypt.created;
  held.bytes = crypto::SecretBytes::copy_of(keys.decrypt.bytes.bytes());
  auto opener = protect::Opener::open(std::move(ring), writer->root_id(), root.root->open_directory("keys").value());
  REQUIRE(opener.ok());
  (*opener)->learn(std::make_shared<const protect::KeyLog>(log));
  const auto opened = [&](const protect::FieldPlace& place, Bytes value) {
    const auto plaintext = (*opener)->open(place, value);
    return plaintext.ok() ? std::string(plaintext->text()) : "error: " + plaintext.error().message;
  };
  const RootId id = writer->root_id();
  CHECK(opened({id, {"patient", "email"}, "p-1", codec::ValueKind::kText, record.uid}, email.value) == kNeedle);
  const codec::ProtectedValue card = codec::decode_protected(as_bytes(first.custom[0].value.text)).value();
  CHECK(opened({id, {protect::kColumnType, "card"}, {}, codec::ValueKind::kText, first.uid}, card.value) == kCard);
  CHECK_THAT(opened({id, {protect::kEventType, "content"}, {}, codec::ValueKind::kText, first.uid}, first.sealed.value),
             ContainsSubstring("198.51.100.77"));
  // Another record's uid does not open it.
  CHECK_THAT(opened({id, {"patient", "email"}, "p-1", codec::ValueKind::kText, first.uid}, email.value),
             ContainsSubstring("error"));
}

TEST_CASE("protecting: a value that did not change makes no version, also after a restart, and is carried by its row") {
  Root root;
  const tests::FieldKeys keys;
  keys.give_writer(*root.keys);
  accepted(root.open()->submit_and_wait(schema()));
  for (int life = 0; life < 3; ++life) {
    auto writer = root.open();
    accepted(writer->submit_and_wait(event({{"email", kNeedle}, {"ssn", "1"}})));
    accepted(writer->submit_and_wait(event({{"email", kNeedle}})));
  }
  CHECK(root.snapshot()->size(TableId::kRegistry) == 1);
  auto writer = root.open();
  accepted(writer->submit_and_wait(event({{"name", "Ada"}})));
  accepted(writer->submit_and_wait(event({{"ssn", "2"}, {"email", kNeedle}})));
  REQUIRE(root.snapshot()->size(TableId::kRegistry) == 3);
  const Buffer first = root.payload(TableId::kRegistry, 0), second = root.payload(TableId::kRegistry, 1),
               third = root.payload(TableId::kRegistry, 2);
  const auto email = [&](const Buffer& payload) { return value_of(version(payload), "email"); };
  CHECK_FALSE(email(first).origin);
  CHECK(email(second).origin == Row{0});
  CHECK(email(third).origin == Row{0});
  CHECK(Buffer(email(third).value.begin(), email(third).value.end()) ==
        Buffer(email(first).value.begin(), email(first).value.end()));
  CHECK_FALSE(value_of(version(third), "ssn").origin);
  // Another value does make one.
  writer.reset();
  writer = root.open();
  accepted(writer->submit_and_wait(event({{"email", "other@example.org"}})));
  CHECK(root.snapshot()->size(TableId::kRegistry) == 4);
}

TEST_CASE("protecting: a value whose key was destroyed is written again when it is sent again, once") {
  Root root;
  tests::FieldKeys{}.give_writer(*root.keys);
  auto writer = root.open();
  accepted(writer->submit_and_wait(schema()));
  accepted(writer->submit_and_wait(event({{"email", kNeedle}, {"ssn", "1"}})));
  REQUIRE(root.snapshot()->size(TableId::kRegistry) == 1);
  const auto shred = [&](const char* file) {
    REQUIRE(writer->append_and_publish(codec::Shred{"session", 0, "test", "uid 0", {file}}).ok());
  };
  shred("data-0000000001-1.key");
  for (uint64_t rows = 2; rows < 4; ++rows) {
    for (int i = 0; i < 2; ++i) accepted(writer->submit_and_wait(event({{"email", kNeedle}, {"ssn", "1"}})));
    REQUIRE(root.snapshot()->size(TableId::kRegistry) == rows);
    const Buffer again = root.payload(TableId::kRegistry, rows - 1);
    CHECK_FALSE(value_of(version(again), "email").origin);  // sealed for this version, under a key that is there
    if (rows == 2) shred("data-0000000002-1.key");
    writer.reset();  // and a writer that reads of it in meta/ knows it as well
    writer = root.open();
  }
}

TEST_CASE("protecting: the hash of an imported input is keyed where something of it is protected") {
  Root root;
  auto writer = root.open();
  codec::Import plain;
  plain.source = "input";
  plain.format = "jsonl";
  plain.to = 5;
  plain.prefix_sha256.fill(0x33);
  codec::Import keyed = plain;
  keyed.keyed = true;
  ingest::Batch batch;
  batch.statements = {plain, keyed};
  accepted(writer->submit_and_wait(std::move(batch)));
  std::vector<codec::Import> stated;
  for (const codec::StatementRecord& statement : root.snapshot()->statements()) {
    if (const auto* receipt = std::get_if<codec::Import>(&statement.body)) stated.push_back(*receipt);
  }
  REQUIRE(stated.size() == 2);
  CHECK(stated[0] == plain);
  const auto key = crypto::open_key_file(*root.keys, crypto::kIndexKeyFileName, crypto::KeyKind::kIndex);
  REQUIRE(key.ok());
  keyed.prefix_sha256 = crypto::keyed_input_hash(key->bytes.bytes(), plain.prefix_sha256);
  CHECK(stated[1] == keyed);
}

TEST_CASE("protecting: a missing key refuses the value, names the key, and leaves all else writable") {
  Root root;
  auto writer = root.open();
  accepted(writer->submit_and_wait(schema()));
  const Result<writer::Receipt> refused = writer->submit_and_wait(event({{"email", kNeedle}}));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kForbidden);
  CHECK_THAT(refused.error().message, ContainsSubstring("recipient"));
  CHECK(refused.error().message.find(kNeedle) == std::string::npos);
  CHECK(root.snapshot()->size(TableId::kLogs) == 0);
  accepted(writer->submit_and_wait(event({{"name", "Ada"}})));
  CHECK(root.anywhere(kNeedle));  // an event without a protected value keeps its content readable
  CHECK(root.snapshot()->size(TableId::kLogs) == 1);
}

TEST_CASE("protecting: the statement about a data key is committed no later than the first value under it") {
  Root root;
  tests::FieldKeys{}.give_writer(*root.keys);
  auto writer = root.open();
  accepted(writer->submit_and_wait(schema()));
  accepted(writer->submit_and_wait(event({{"email", kNeedle}})));
  const auto snapshot = root.snapshot();
  size_t data_keys = 0, recipients = 0;
  for (uint64_t row = 0; row < snapshot->size(TableId::kMeta); ++row) {
    const Buffer payload = root.payload(TableId::kMeta, row);
    const auto statement = codec::decode_statement(payload);
    REQUIRE(statement.ok());
    const auto* key = std::get_if<codec::KeyStatement>(&statement->body);
    if (key == nullptr) continue;
    data_keys += key->action == codec::KeyAction::kDataKey;
    recipients += key->action == codec::KeyAction::kAddRecipient;
  }
  CHECK(data_keys == 1);
  CHECK(recipients == 1);
  CHECK(snapshot->size(TableId::kLogs) == 1);
}

TEST_CASE("protecting: a batch that asks for it has its content sealed, protected fields or not") {
  Root root;
  tests::FieldKeys{}.give_writer(*root.keys);
  auto writer = root.open();
  accepted(writer->submit_and_wait(schema()));
  ingest::Batch batch = event({{"name", "Ada"}});
  batch.seal_content = true;
  accepted(writer->submit_and_wait(std::move(batch)));
  CHECK_FALSE(root.anywhere(kNeedle));
}

TEST_CASE("protecting: with @event content and source_ip of every event are sealed, whatever its fields") {
  Root root;
  tests::FieldKeys{}.give_writer(*root.keys);
  auto writer = root.open();
  accepted(writer->submit_and_wait(schema()));
  const auto plain = [] {
    ingest::Batch batch;
    ingest::Event event;
    event.actor.type = "service";
    event.actor.id = "cron";
    event.action = "RUN";
    event.source_ip = "198.51.100.77";
    event.content_kind = codec::ContentKind::kText;
    event.content = batch.keep(as_bytes("mailed " + std::string(kNeedle)));
    batch.events.push_back(event);
    return batch;
  };
  ingest::Batch rule;
  rule.statements.push_back(codec::TypeStatement{{"@event", {field("content", "sealed")}}});
  accepted(writer->submit_and_wait(std::move(rule)));
  accepted(writer->submit_and_wait(plain()));
  CHECK_FALSE(root.anywhere(kNeedle));
  CHECK_FALSE(root.anywhere("198.51.100.77"));
  const Buffer payload = root.payload(TableId::kLogs, 0);
  codec::EventRecord event;
  REQUIRE(codec::decode_event(payload, event).ok());
  CHECK(event.sealed.members == (codec::SealedContent::kSourceIp | codec::SealedContent::kText));
  // An event that says nothing of it is left alone, nothing is of that type, and a bad address is not quoted.
  ingest::Batch bare = plain();
  bare.events[0].source_ip = {};
  bare.events[0].content_kind = codec::ContentKind::kNone;
  bare.events[0].content = {};
  accepted(writer->submit_and_wait(std::move(bare)));
  ingest::Batch nobody = plain();
  nobody.events[0].actor.type = "@event";
  CHECK(writer->submit_and_wait(std::move(nobody)).error().code == Code::kInvalid);
  ingest::Batch address = plain();
  address.events[0].source_ip = kNeedle;
  const Error refused = writer->submit_and_wait(std::move(address)).error();
  CHECK_THAT(refused.message, ContainsSubstring("source_ip"));
  CHECK(refused.message.find(kNeedle) == std::string::npos);
  // It stays so behind a restart.
  writer.reset();
  writer = root.open();
  accepted(writer->submit_and_wait(plain()));
  CHECK_FALSE(root.anywhere(kNeedle));
}

TEST_CASE("protecting: the type that init made becomes protected until the log has an entity of it, not after") {
  Root root;
  tests::FieldKeys{}.give_writer(*root.keys);
  auto writer = root.open();
  const auto user_with = [](const char* rule) {
    ingest::Batch batch;
    for (codec::TypeSchema type : registry::default_types()) {
      if (type.name != "user") continue;
      type.fields[0].rule = *codec::rule(rule);
      batch.statements.push_back(codec::TypeStatement{type});
    }
    batch.changes_rules = true;
    return batch;
  };
  const auto named = [](const char* type) {
    ingest::Batch batch;
    ingest::Event event;
    event.actor.type = type;
    event.actor.id = "one";
    const ingest::FieldInput name{"name", false, codec::Value::of_text(kNeedle)};
    event.actor.fields = batch.keep(std::span<const ingest::FieldInput>(&name, 1));
    event.action = "PUT";
    batch.events.push_back(event);
    return batch;
  };
  accepted(writer->submit_and_wait(user_with("sealed")));
  accepted(writer->submit_and_wait(user_with("sealed,exact")));
  accepted(writer->submit_and_wait(named("user")));
  CHECK_FALSE(root.anywhere(kNeedle));
  CHECK(writer->submit_and_wait(user_with("none")).error().code == Code::kConflict);
  CHECK(writer->submit_and_wait(user_with("digest")).error().code == Code::kConflict);
  writer.reset();
  writer = root.open();
  CHECK(writer->submit_and_wait(user_with("none")).error().code == Code::kConflict);
  // Entities of another type are in nobody's way.
  ingest::Batch service;
  service.statements.push_back(codec::TypeStatement{{"service", registry::default_types()[1].fields}});
  auto& type = std::get<codec::TypeStatement>(service.statements[0]).type;
  type.fields[0].rule = *codec::rule("digest");
  accepted(writer->submit_and_wait(std::move(service)));
}

TEST_CASE("protecting: who only says what his events need takes no rule away") {
  Root root;
  tests::FieldKeys{}.give_writer(*root.keys);
  auto writer = root.open();
  const auto member = [](const char* rule, bool changes_rules) {
    ingest::Batch batch;
    batch.statements.push_back(codec::TypeStatement{{"member", {field("email", rule)}}});
    batch.changes_rules = changes_rules;
    return batch;
  };
  const auto joined = [&](const char* rule) {
    ingest::Batch batch = member(rule, false);
    ingest::Event event;
    event.actor.type = "member";
    event.actor.id = "one";
    const ingest::FieldInput mail{"email", false, codec::Value::of_text(kNeedle)};
    event.actor.fields = batch.keep(std::span<const ingest::FieldInput>(&mail, 1));
    event.action = "JOIN";
    batch.events.push_back(event);
    return batch;
  };
  const auto rule = [&] { return codec::text_of(writer->schema()->field("member", "email")->rule); };
  accepted(writer->submit_and_wait(member("none", false)));
  accepted(writer->submit_and_wait(member("sealed,exact", true)));
  accepted(writer->submit_and_wait(member("none", false)));
  CHECK(rule() == "sealed,exact");
  CHECK(writer->submit_and_wait(member("digest", false)).error().code == Code::kConflict);
  CHECK(writer->submit_and_wait(joined("digest")).error().code == Code::kConflict);
  CHECK(rule() == "sealed,exact");
  accepted(writer->submit_and_wait(joined("none")));
  CHECK(rule() == "sealed,exact");
  CHECK_FALSE(root.anywhere(kNeedle));
}

TEST_CASE("protecting: who may read is said with the definition, and keys that come later are taken up") {
  Root root;
  auto writer = root.open();
  const auto recipients = [&] {
    const auto snapshot = root.snapshot();
    size_t count = 0;
    for (const codec::StatementRecord& statement : snapshot->meta().statements()) {
      const auto* key = std::get_if<codec::KeyStatement>(&statement.body);
      count += key != nullptr && key->action == codec::KeyAction::kAddRecipient;
    }
    return count;
  };
  accepted(writer->submit_and_wait(schema()));
  CHECK(recipients() == 0);
  CHECK(writer->submit_and_wait(event({{"email", kNeedle}})).error().code == Code::kForbidden);
  tests::FieldKeys{}.give_writer(*root.keys);
  ingest::Batch more;
  more.statements.push_back(codec::TypeStatement{{"other", {field("email", "sealed")}}});
  accepted(writer->submit_and_wait(std::move(more)));
  CHECK(recipients() == 1);
  accepted(writer->submit_and_wait(event({{"email", kNeedle}})));
  CHECK(recipients() == 1);
}

TEST_CASE("protecting: a session's keys are wiped when its hour is over, though nothing protected comes") {
  Root root;
  tests::FakeClock clock;
  root.clock = &clock;
  const tests::FieldKeys keys;
  keys.give_writer(*root.keys);
  auto writer = root.open();
  accepted(writer->submit_and_wait(schema()));
  const TimeUs began = clock.now();
  accepted(writer->submit_and_wait(event({{"email", kNeedle}})));
  const auto data_keys = [&] {
    const auto entries = root.root->open_directory("keys").value()->list().value();
    return entries.size();
  };
  const size_t before = data_keys();
  // The hour is over while nothing is written. Set back into it afterwards, an open session would be gone on with.
  for (int attempt = 0; attempt < 20 && data_keys() == before; ++attempt) {
    clock.set_wall(began + protect::kSessionUs);
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    clock.set_wall(began + 1);
    accepted(writer->submit_and_wait(event({{"email", kNeedle}})));
  }
  CHECK(data_keys() == before + 1);
  REQUIRE(writer->close().ok());
}
