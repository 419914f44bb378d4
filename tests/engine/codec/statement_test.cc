// Statements: every body this version knows, and that no other is passed over.
#include "engine/codec/statement.h"

#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::codec;
using namespace khipu::tests;

static Buffer encoded(const StatementRecord& statement) {
  Buffer bytes;
  encode_statement(bytes, statement);
  return bytes;
}
static std::optional<Buffer> reencoded(const Buffer& bytes) {
  const auto statement = decode_statement(bytes);
  if (!statement.ok()) return std::nullopt;
  return encoded(*statement);
}

static std::vector<Statement> examples() {
  Hash hash;
  hash.fill(0x33);
  Genesis genesis;
  genesis.root_id.fill(0x11);
  genesis.origin = "log.example/audit";
  genesis.verifier.fill(0x22);
  Import import;
  import.source = "events.json.gz";
  import.format = "cloudtrail";
  import.mapping = hash;
  import.from = 100;
  import.to = 4200;
  import.prefix_sha256 = hash;
  import.read = 12;
  import.stored = 10;
  import.parked = 2;
  import.first = -3;
  import.last = 1781500027123456;
  import.first_seq = Row{77};
  import.done = true;
  Import packed = import;
  packed.from = 0;
  packed.unpacked_to = 70000;
  Import keyed = import;
  keyed.keyed = true;
  Import nothing;
  nothing.source = "-";
  nothing.format = "jsonl";
  return {
      genesis,
      TypeStatement{{"user",
                     {{"name", ValueKind::kText, true},
                      {"mail",
                       ValueKind::kText,
                       false,
                       {Protection::kSealed, {{BlindIndex::kExact, 0}, {BlindIndex::kNgram, 3}}, true, true, true}},
                      {"age", ValueKind::kNumber}}}},
      TypeStatement{{"empty", {}}},
      ColumnStatement{{1, "tenant", ValueKind::kText, true, true, -1}},
      ColumnStatement{{4294967295, "extra", ValueKind::kJson, false, false, 0}},
      import,
      keyed,
      packed,
      nothing,
      RecoveryStatement{"logs-seg-3-4096", 123, hash, "torn tail", {hash, Hash{}}},
      RecoveryStatement{"f", 0, hash, "r", {}},
      TableHead{TableId::kLogs, 1000, hash, {{{3}, {100}, 400, 9000}, {{4}, {500}, 500, 9100}}},
      TableHead{TableId::kRegistry, 0, hash, {}},
      IndexStatement{TableId::kLogs, "seg-0000000003.idx", {100}, 400, 70000, hash, {"seg-0000000002.idx", "x"}},
      IndexStatement{TableId::kMeta, "seg-0000000000.idx", {0}, 1, 0, hash, {}},
      KeyStatement{KeyAction::kAddVerifier, "log.example/audit", hash, {}, {}, {}},
      KeyStatement{KeyAction::kRetireVerifier, "n", hash, {}, {}, {}},
      KeyStatement{KeyAction::kAddRecipient, "auditors/1", hash, {}, {}, {}},
      KeyStatement{KeyAction::kDataKey, "data-0000000001-1.key", hash, hash, hash, {}},
      KeyStatement{KeyAction::kRewrap, "data-0000000001-2.key", hash, hash, hash, "data-0000000001-1.key"},
      KeyStatement{KeyAction::kTokenDay, "tokens/2", {}, {}, {}, {}, 20633},
      KeyStatement{KeyAction::kTokenDay, "tokens/1", {}, {}, {}, {}, kTokenDayMax},
      Retention{TableId::kLogs, {100}, {900}, {1}, {3}, hash, -5, 1781500027123456, {7}, hash, "max-age 60 s", "uid 0"},
      Hold{"case-17", true, "litigation", "uid 0"},
      Hold{"case-17", false, "settled", "uid 0"},
      Shred{"subject", 12, "GDPR art. 17, request 9", "uid 0", {"subject-0000000002-1.key", "data-0000000003-1.key"}},
      Rollback{{9}, hash, {{{3, hash}, {0, hash}, {7, hash}, {1, hash}}}, "restored from backup", "uid 0"},
      Clock{ClockEvent::kStepped, -3600000000, 1781500027123456, "khipu serve"},
      Clock{ClockEvent::kCleared, 0, 1781500027123456, "uid 0"},
      Heartbeat{}};
}

TEST_CASE("statement: every body comes back") {
  for (const Statement& body : examples()) {
    const StatementRecord in = {counting_uid(), 1781500027123456, body};
    const Buffer bytes = encoded(in);
    const auto out = decode_statement(bytes);
    REQUIRE(out.ok());
    CHECK(out->uid == in.uid);
    CHECK(out->recorded_at == in.recorded_at);
    CHECK(out->body == in.body);
    const auto facts = frame_facts(bytes);
    REQUIRE(facts.ok());
    CHECK(facts->kind == 3);
    CHECK(facts->time_us == in.recorded_at);
  }
}

TEST_CASE("statement: every truncation is corrupt, every flipped bit is corrupt or another statement") {
  for (const Statement& body : examples()) attack(encoded({counting_uid(), 5, body}), reencoded);
}

TEST_CASE("statement: a type that this version does not know is unsupported, never passed over") {
  const std::string prefix = "a5 0003 0150000102030405060708090a0b0c0d0e0f 0201 04";
  for (const char* type : {"00", "0f", "10", "1818", "190101", "190104", "190102"}) {
    CAPTURE(type);
    CHECK(decode_statement(bytes_of(prefix + type + "05a0")).error().code == Code::kUnsupported);
  }
  CHECK(decode_statement(bytes_of(prefix + "0305a0")).error().code == Code::kCorrupt);
}

TEST_CASE("statement: another format in GENESIS is unsupported") {
  Genesis genesis = std::get<Genesis>(examples()[0]);
  genesis.format = 2;
  CHECK(decode_statement(encoded({counting_uid(), 1, genesis})).error().code == Code::kUnsupported);
}

TEST_CASE("statement: bodies that do not add up are refused") {
  const std::string import = "a5 0003 0150000102030405060708090a0b0c0d0e0f 0201 040a 05";
  const std::string hash = "58203333333333333333333333333333333333333333333333333333333333333333";
  const auto accepted = [&](const std::string& body) { return reencoded(bytes_of(import + body)).has_value(); };
  CHECK(accepted("a8 006161 016162 0301 0402 05" + hash + "0603 0702 0801"));
  CHECK_FALSE(accepted("a8 006161 016162 0302 0401 05" + hash + "0603 0702 0801"));  // from > to
  CHECK_FALSE(accepted("a8 006161 016162 0301 0402 05" + hash + "0603 0702 0802"));  // read
  CHECK_FALSE(accepted("a8 006161 016162 0301 0402 05" + hash + "0601 071b8000000000000000 081b8000000000000001"));
  CHECK_FALSE(accepted("a9 006161 016162 0301 0402 05" + hash + "0603 0702 0801 0900"));  // first without last
  CHECK_FALSE(accepted("aa 006161 016162 0301 0402 05" + hash + "0603 0702 0801 0901 0a00"));
  CHECK(accepted("aa 006161 016162 0301 0402 05" + hash + "0603 0702 0801 0900 0a00"));
  CHECK_FALSE(accepted("a9 006161 016162 0301 0402 05" + hash + "0603 0702 0801 0cf4"));
}

TEST_CASE("statement: a spine statement that contradicts itself is refused") {
  const std::string prefix = "a5 0003 0150000102030405060708090a0b0c0d0e0f 0201 04";
  const std::string hash = "58203333333333333333333333333333333333333333333333333333333333333333";
  const auto accepted = [&](const std::string& rest) { return reencoded(bytes_of(prefix + rest)).has_value(); };
  const std::string head = "04 05";  // TABLE_HEAD
  CHECK(accepted(head + "a3 0002 0105 02" + hash));
  CHECK_FALSE(accepted(head + "a3 0000 0105 02" + hash));                  // of meta
  CHECK_FALSE(accepted(head + "a3 0004 0105 02" + hash));                  // of no table
  CHECK_FALSE(accepted(head + "a3 0002 011b8000000000000000 02" + hash));  // over 2^63-1
  CHECK(accepted(head + "a4 0002 0105 02" + hash + "03 81 84 00 00 05 1864"));
  CHECK_FALSE(accepted(head + "a4 0002 0105 02" + hash + "03 80"));                   // an empty list
  CHECK_FALSE(accepted(head + "a4 0002 0105 02" + hash + "03 81 84 00 00 06 1864"));  // more rows than the table
  CHECK_FALSE(accepted(head + "a4 0002 0105 02" + hash + "03 81 84 00 06 00 1864"));  // starts behind the table
  CHECK_FALSE(accepted(head + "a4 0002 0105 02" + hash + "03 82 84 00 00 02 1864 84 01 03 01 1864"));  // a gap
  CHECK_FALSE(accepted(head + "a4 0002 0105 02" + hash + "03 81 83 00 00 05"));
  const std::string tail = "05" + hash + "0600 0700 0801 09" + hash + "0a6170 0b6162";
  CHECK(accepted("07 05 ac 0002 0100 0201 0300 0400" + tail));
  CHECK_FALSE(accepted("07 05 ac 0001 0100 0201 0300 0400" + tail));  // of registry
  CHECK_FALSE(accepted("07 05 ac 0002 0101 0201 0300 0400" + tail));  // no row
  CHECK_FALSE(accepted("07 05 ac 0002 0100 0201 0301 0400" + tail));  // segments backwards
  CHECK_FALSE(accepted("0d 05 a3 0001 0200 036162"));                 // stepped by nothing
  CHECK_FALSE(accepted("0d 05 a4 0002 0101 0200 036162"));            // cleared by a step
  CHECK_FALSE(accepted("0d 05 a4 0001 0100 0200 036162"));            // a step of 0 is not written
  CHECK(accepted("0d 05 a4 0001 0101 0200 036162"));
  CHECK_FALSE(accepted("0e 05 a1 0000"));                       // a heartbeat says nothing
  CHECK_FALSE(accepted("08 05 a4 006161 01f4 026162 036163"));  // "set: false" is said by leaving it out
}

TEST_CASE("statement: the closed list has its names") {
  CHECK(name(StatementType::kGenesis) == "GENESIS");
  CHECK(name(StatementType::kRecovery) == "RECOVERY");
  CHECK(name(StatementType::kHeartbeat) == "HEARTBEAT");
  CHECK(type_of(examples()[5]) == StatementType::kImport);
}
