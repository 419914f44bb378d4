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
  Import nothing;
  nothing.source = "-";
  nothing.format = "jsonl";
  return {genesis,
          TypeStatement{{"user",
                         {{"name", ValueKind::kText, Protection::kNone, BlindIndex::kNone, 0, true},
                          {"mail", ValueKind::kText, Protection::kSealed, BlindIndex::kNgram, 3, false},
                          {"age", ValueKind::kNumber, Protection::kNone, BlindIndex::kNone, 0, false}}}},
          TypeStatement{{"empty", {}}},
          ColumnStatement{{1, "tenant", ValueKind::kText, true, true, -1}},
          ColumnStatement{{4294967295, "extra", ValueKind::kJson, false, false, 0}},
          import,
          nothing,
          RecoveryStatement{"logs-seg-3-4096", 123, hash, "torn tail", {hash, Hash{}}},
          RecoveryStatement{"f", 0, hash, "r", {}}};
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
  for (const char* type :
       {"00", "04", "05", "06", "07", "08", "09", "0c", "0d", "0e", "0f", "1818", "190101", "190102"}) {
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

TEST_CASE("statement: the closed list has its names") {
  CHECK(name(StatementType::kGenesis) == "GENESIS");
  CHECK(name(StatementType::kRecovery) == "RECOVERY");
  CHECK(name(StatementType::kHeartbeat) == "HEARTBEAT");
  CHECK(type_of(examples()[5]) == StatementType::kImport);
}
