// The worked examples of engine/FORMAT.md: the hex blocks are read out of the document, so it and the code cannot part.

#include "engine/codec/frame.h"
#include "engine/codec/statement.h"
#include "engine/crypto/hash.h"
#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"
#include "tests/support/format_examples.h"

using namespace khipu;
using namespace khipu::codec;
using namespace khipu::tests;

TEST_CASE("FORMAT.md: the events decode, mean what is said and encode to the same bytes") {
  const Buffer full = format_example("event");
  EventRecord event;
  REQUIRE(decode_event(full, event).ok());
  Buffer expected;
  encode_event(expected, full_event());
  CHECK(hex(full) == hex(expected));
  const Buffer small = format_example("event-small");
  expected.clear();
  encode_event(expected, small_event());
  CHECK(hex(small) == hex(expected));
}

TEST_CASE("FORMAT.md: the frame is the one of the small event") {
  const Buffer bytes = format_example("frame");
  const ParsedFrame parsed = parse_frame(bytes);
  REQUIRE(parsed.fault == FrameFault::kNone);
  CHECK(parsed.frame.size() == bytes.size());
  const Buffer payload = format_example("event-small");
  CHECK(hex(parsed.frame.payload) == hex(payload));
  const auto facts = frame_facts(payload);
  REQUIRE(facts.ok());
  CHECK(parsed.frame.kind == facts->kind);
  CHECK(parsed.frame.time_us == facts->time_us);
  Buffer again;
  append_frame(again, facts->kind, facts->time_us, payload);
  CHECK(hex(again) == hex(bytes));
}

TEST_CASE("FORMAT.md: the versions decode, mean what is said and encode to the same bytes") {
  const Buffer first = format_example("version-first");
  VersionRecord version;
  REQUIRE(decode_version(first, version).ok());
  CHECK(version.type == "user");
  CHECK(version.id == "u-1001");
  CHECK_FALSE(version.entity.has_value());
  REQUIRE(version.fields.size() == 2);
  CHECK(version.fields[0].name == "age");
  CHECK(version.fields[0].value == Value::of_integer(41));
  CHECK(version.fields[1].value == Value::of_text("alice"));
  CHECK(version.seq == Row{0});
  Buffer again;
  encode_version(again, version);
  CHECK(again == first);

  const Buffer deleted = format_example("version-deleted");
  REQUIRE(decode_version(deleted, version).ok());
  CHECK(version.deleted);
  CHECK(version.version == 2);
  CHECK(version.entity == Row{0});
  CHECK(version.previous == Row{5});
  again.clear();
  encode_version(again, version);
  CHECK(again == deleted);
}

TEST_CASE("FORMAT.md: the statements decode, mean what is said and encode to the same bytes") {
  const Buffer bytes = format_example("statement-genesis");
  const auto genesis = decode_statement(bytes);
  REQUIRE(genesis.ok());
  CHECK(std::get<Genesis>(genesis->body).origin == "log.example/audit");
  CHECK(std::get<Genesis>(genesis->body).verifier[0] == 0x22);
  Buffer again;
  encode_statement(again, *genesis);
  CHECK(again == bytes);

  const Buffer type_bytes = format_example("statement-type");
  const auto type = decode_statement(type_bytes);
  REQUIRE(type.ok());
  const TypeSchema& schema = std::get<TypeStatement>(type->body).type;
  CHECK(schema.name == "user");
  REQUIRE(schema.fields.size() == 2);
  CHECK(schema.fields[0] == FieldSchema{"name", ValueKind::kText, true, {}});
  CHECK(schema.fields[1].kind == ValueKind::kNumber);
}

// The body of the example statement of this name, which must encode to the same bytes again.
template <typename Body>
Body body_of(const std::string& name) {
  const Buffer bytes = format_example("statement-" + name);
  const auto statement = decode_statement(bytes);
  INFO(name);
  REQUIRE(statement.ok());
  Buffer again;
  encode_statement(again, *statement);
  CHECK(again == bytes);
  REQUIRE(std::holds_alternative<Body>(statement->body));
  return std::get<Body>(statement->body);
}

TEST_CASE("FORMAT.md: the statements of the spine decode, mean what is said and encode to the same bytes") {
  const Hash threes = [] {
    Hash hash;
    hash.fill(0x33);
    return hash;
  }();
  const auto head = body_of<TableHead>("table-head");
  CHECK(head.table == TableId::kLogs);
  CHECK(head.size == 9);
  CHECK(head.root == threes);
  REQUIRE(head.sealed.size() == 2);
  CHECK(head.sealed[1].number == SegmentNumber{4});
  CHECK(head.sealed[1].first_row == Row{5});
  CHECK(head.sealed[1].rows == 2);
  CHECK(head.sealed[1].file_size == 300);
  const auto index = body_of<IndexStatement>("index");
  CHECK(index.file == "seg-0000000003.idx");
  CHECK(index.rows == 4);
  CHECK(index.size == 65537);
  CHECK(index.replaces == std::vector<std::string>{"seg-0000000002.idx"});
  const auto key = body_of<KeyStatement>("key");
  CHECK(key.action == KeyAction::kAddVerifier);
  CHECK(key.name == "log.example/audit");
  const auto rewrap = body_of<KeyStatement>("rewrap");
  CHECK(rewrap.action == KeyAction::kRewrap);
  CHECK(rewrap.name == "data-0000000012-2.key");
  CHECK(rewrap.replaces == "data-0000000012-1.key");
  CHECK(rewrap.key[0] == 0x44);
  CHECK(rewrap.file_sha256[0] == 0x55);
  CHECK(rewrap.recipients[0] == 0x66);
  const auto day = body_of<KeyStatement>("token-day");
  CHECK(day.action == KeyAction::kTokenDay);
  CHECK(day.name == "tokens/2");
  CHECK(day.day == 20634);
  const auto retention = body_of<Retention>("retention");
  CHECK(retention.from == Row{1});
  CHECK(retention.to == Row{7});
  CHECK(retention.first_segment == SegmentNumber{3});
  CHECK(retention.last_segment == SegmentNumber{4});
  CHECK(retention.recorded_first == -5);
  CHECK(retention.commit == CommitNumber{6});
  CHECK(retention.policy == "max-age 2592000 s");
  const auto hold = body_of<Hold>("hold");
  CHECK(hold.name == "case-7");
  CHECK(hold.set);
  const auto shred = body_of<Shred>("shred");
  CHECK(shred.scope == "subject");
  CHECK(shred.rows == 12);
  CHECK(shred.files == std::vector<std::string>{"subject-0000000013-1.key"});
  const auto rollback = body_of<Rollback>("rollback");
  CHECK(rollback.lost_commit == CommitNumber{12});
  CHECK(rollback.lost[index_of(TableId::kLogs)].size == 9);
  CHECK(rollback.reason == "backup of 2026-11-01");
  const auto clock = body_of<Clock>("clock");
  CHECK(clock.event == ClockEvent::kStepped);
  CHECK(clock.step_us == -86'400'000'000);
  body_of<Heartbeat>("heartbeat");
}

TEST_CASE("FORMAT.md: the commit names the root of a tree that holds the GENESIS statement alone") {
  const Buffer bytes = format_example("commit");
  const auto commit = decode_commit(bytes);
  REQUIRE(commit.ok());
  CHECK(commit->number == CommitNumber{1});
  CHECK(commit->previous == Hash{});
  const uint8_t leaf_prefix = 0;
  const Buffer genesis = format_example("statement-genesis");
  CHECK(commit->tables[0] == TableState{1, crypto::sha256(Bytes(&leaf_prefix, 1), genesis)});
  for (size_t i = 1; i < kTableCount; ++i) CHECK(commit->tables[i] == TableState{0, crypto::sha256(Bytes())});
  CHECK(commit->key_id == std::array<uint8_t, 4>{0xde, 0xad, 0xbe, 0xef});
  Buffer again;
  encode_commit(again, *commit);
  CHECK(again == bytes);
}
