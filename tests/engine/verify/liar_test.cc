// What somebody who holds the signing key might sign in records and statements: what only one check stands against,
// each lie alone, found by the words of that check. Lies in files: liar_files_test.cc. tests/attacks/sabotage.py counts
// on both.
#include "tests/engine/verify/liar.h"

namespace khipu::tests {
namespace {

using Log = LiarLog;

// The entities of a log, to tell lies about. A: an entity with several versions; B: another.
struct Registry {
  explicit Registry(CrashRig& rig) : payloads(rows_of(rig.disk(), segment_file(TableId::kRegistry, 0))) {
    for (const ForgedFrame& row : payloads) {
      codec::VersionRecord version;
      REQUIRE(codec::decode_version(row.payload, version).ok());
      versions.push_back(version);
    }
    for (uint64_t row = 0; row < versions.size(); ++row) {
      if (versions[row].entity) a = *versions[row].entity, a_latest = Row{row};
    }
    REQUIRE(a_latest.value > 0);
    for (uint64_t row = a.value + 1; row < versions.size(); ++row) {
      if (!versions[row].entity && versions[row].id != versions[a.value].id) b = Row{row};
    }
    REQUIRE(b.value > 0);
  }
  // What would come next of A.
  codec::VersionRecord next() const {
    codec::VersionRecord version = versions[a_latest.value];
    version.recorded_at = version.time = versions.back().recorded_at + 1;
    version.entity = a;
    version.previous = a_latest;
    version.version += 1;
    return version;
  }
  Row end() const { return Row{versions.size()}; }
  std::vector<ForgedFrame> payloads;  // the views borrow from here
  std::vector<codec::VersionRecord> versions;
  Row a, a_latest, b;
};

using VersionLie = std::function<void(codec::VersionRecord&, const Registry&)>;
void of_no_first_version(codec::VersionRecord& version, const Registry& registry) {
  version.entity = version.previous = registry.a_latest;
  version.version = 1;
}

TEST_CASE("liar: a version that does not fit what is there") {
  const auto lie = [](std::string_view sentence, const VersionLie& change) {
    Log log;
    const Registry registry(log.rig);
    codec::VersionRecord version = registry.next();
    change(version, registry);
    sign_rows(log.rig, {signed_row(version)});
    log.told("reference-missing", sentence);
  };
  lie("a second first version of the same entity", [](auto& version, const Registry&) {
    version.entity.reset();
    version.previous.reset();
    version.version = 0;
  });
  lie("names a later row", [](auto& version, const Registry& registry) { version.previous = registry.end(); });
  lie("whose entity row is not a first version", of_no_first_version);
  lie("whose type and id are not those of its entity",
      [](auto& version, const Registry& registry) { version.id = registry.versions[registry.b.value].id; });
  lie("does not follow the entity's newest one", [](auto& version, const Registry& registry) {
    version.previous = registry.a;
    version.version = 1;
  });
  lie("number that does not follow the one before", [](auto& version, const Registry&) { version.version += 1; });
  lie("a type that no TYPE statement defines", [](auto& version, const Registry&) {
    version.entity.reset();
    version.previous.reset();
    version.version = 0;
    version.type = "ghost";
  });
  lie("names an event that its commit does not cover", [](auto& version, const Registry&) { version.seq = Row{1000}; });
}

TEST_CASE("liar: versions that do not fit entities which an earlier run read") {
  const auto lie = [](std::string_view sentence, const VersionLie& change, const VersionLie& second = {}) {
    Log log;
    const Registry registry(log.rig);
    const verify::Options options = log.since();
    codec::VersionRecord version = registry.next();
    change(version, registry);
    std::vector<SignedRow> rows = {signed_row(version)};
    if (second) {
      codec::VersionRecord another = registry.next();
      another.previous = registry.end();
      another.version += 1;
      second(another, registry);
      rows.push_back(signed_row(another));
    }
    sign_rows(log.rig, rows);
    log.told("reference-missing", sentence, options);
  };
  const auto none = [](codec::VersionRecord&, const Registry&) {};
  lie("an entity row that is no first version", of_no_first_version);
  lie("a version of another entity", [](auto& version, const Registry& registry) { version.previous = registry.b; });
  lie("a version with another number", [](auto& version, const Registry&) { version.version += 1; });
  lie("an entity of another type or id",
      [](auto& version, const Registry& registry) { version.id = registry.versions[registry.b.value].id; });
  lie("does not follow the entity's newest one", none,
      [](auto& version, const Registry& registry) { version.previous = registry.a_latest; });
  lie("number that does not follow the one before", none, [](auto& version, const Registry&) { version.version += 1; });
}

TEST_CASE("liar: an event that pins what is not what it says") {
  const auto lie = [](std::string_view sentence, bool incremental,
                      const std::function<void(codec::EventRecord&, const Registry&)>& change) {
    Log log;
    const Registry registry(log.rig);
    const std::vector<ForgedFrame> events = rows_of(log.rig.disk(), segment_file(TableId::kLogs, 0));
    codec::EventRecord event;
    REQUIRE(codec::decode_event(events.back().payload, event).ok());
    event.recorded_at += 1;
    change(event, registry);
    const verify::Options options = incremental ? log.since() : verify::Options();
    sign_rows(log.rig, {signed_row(event)});
    log.told("reference-missing", sentence, options);
  };
  lie("pins an entity row that is no first version", false, [](auto& event, const Registry& registry) {
    event.actor = {registry.a_latest, registry.a_latest};
  });
  lie("pins a version of another entity", false, [](auto& event, const Registry& registry) {
    event.actor = {registry.a, registry.b};
  });
  lie("a version of another entity", true, [](auto& event, const Registry& registry) {
    event.actor = {registry.a, registry.b};
  });
  lie("pins a registry row that is not there", false, [](auto& event, const Registry& registry) {
    event.actor = {registry.a, registry.end()};
  });
}

TEST_CASE("liar: records that are none, or of another table") {
  const auto lie = [](TableId table, std::string_view sentence, const std::function<void(SignedRow&)>& change) {
    Log log;
    const ForgedFrame last = rows_of(log.rig.disk(), segment_file(table, 0)).back();
    SignedRow row{table, last.kind, last.time, last.payload};
    change(row);
    sign_rows(log.rig, {row});
    log.told("frame-corrupt", sentence);
  };
  // One member more than there may be: keys 0 to 3, which the frame's header is made of, are in order.
  const auto one_more = [](SignedRow& row) {
    REQUIRE((row.payload[0] >= 0xa0 && row.payload[0] < 0xb7));
    ++row.payload[0];
    row.payload.insert(row.payload.end(), {0x18, 0x63, 0x00});
  };
  lie(TableId::kLogs, "the record does not decode", one_more);
  lie(TableId::kRegistry, "the record does not decode", one_more);
  lie(TableId::kMeta, "outside the closed list or does not decode", one_more);
  lie(TableId::kLogs, "a record of another table's kind",
      [](SignedRow& row) { row.kind = static_cast<uint8_t>(codec::row_kind(TableId::kRegistry)); });
  lie(TableId::kLogs, "the record does not decode", [](SignedRow& row) { row.payload = {0x01}; });
  lie(TableId::kLogs, "kind or time in the frame header", [](SignedRow& row) { row.time += 1; });
}

TEST_CASE("liar: a commit that does not fit its place") {
  const auto lie = [](std::string_view code, std::string_view sentence,
                      const std::function<void(codec::CommitRecord&)>& change) {
    Log log;
    ForgedFrame last = rows_of(log.rig.disk(), segment_file(TableId::kLogs, 0)).back();
    sign_rows(log.rig, {{TableId::kLogs, last.kind, last.time, last.payload}}, change);
    log.told(code, sentence);
  };
  lie("commit-broken", "does not come next", [](codec::CommitRecord& commit) { commit.number.value -= 1; });
  lie("commit-broken", "shows that they were durable", [](codec::CommitRecord& commit) { commit.number.value += 1; });
  lie("commit-broken", "does not name the one before it", [](codec::CommitRecord& commit) { commit.previous[0] ^= 1; });
  lie("time-backwards", "the commit's time is before", [](codec::CommitRecord& commit) { commit.time -= 1'000'000; });
  lie("leaf-mismatch", "tree/0 agrees with the records",
      [](codec::CommitRecord& commit) { commit.tables[index_of(TableId::kLogs)].root[0] ^= 1; });
  lie("commit-broken", "fewer rows than the one before it",
      [](codec::CommitRecord& commit) { commit.tables[index_of(TableId::kRegistry)].size -= 1; });
  {
    Log log;  // a row in front of it that it does not cover
    const codec::TableState before = {log.rig.verify().sizes[2], log.rig.verify().roots[2]};
    const ForgedFrame last = rows_of(log.rig.disk(), segment_file(TableId::kLogs, 0)).back();
    sign_rows(log.rig, {{TableId::kLogs, last.kind, last.time, last.payload}},
              [&](codec::CommitRecord& commit) { commit.tables[index_of(TableId::kLogs)] = before; });
    log.told("row-gap", "does not stand behind as many rows as it says");
  }
  {
    Log log;  // the header of its frame is no part of what is signed
    sign_rows(log.rig, {}, {}, 1);
    log.told("sig-bad", "the commit's signature does not verify");
  }
}

TEST_CASE("liar: a second GENESIS") {
  Log log;
  const auto meta = rows_of(log.rig.disk(), segment_file(TableId::kMeta, 0));
  sign_statements(log.rig, {codec::decode_statement(meta[0].payload)->body});
  log.told("genesis-mismatch", "a second GENESIS");
}

TEST_CASE("liar: a RETENTION that begins at the right row, in another segment, and one of the registry") {
  {
    Log log(30, kSegment);
    codec::Retention retention = retention_of(log.rig, TableId::kLogs, 0, 1);
    retention.first_segment = {1};
    sign_statements(log.rig, {retention});
    log.told("retention-unauthorised", "behind the last segment of the RETENTION before it");
  }
  {
    Log log(30, kSegment);
    codec::Retention retention = retention_of(log.rig, TableId::kLogs, 0, 1);
    retention.table = TableId::kRegistry;
    sign_statements(log.rig, {retention});
    log.told("frame-corrupt", "does not decode");
  }
}

TEST_CASE("liar: a table's checkpoint published in front of the TABLE_HEAD that names it") {
  Log log;
  const std::vector<ForgedFrame> meta = rows_of(log.rig.disk(), segment_file(TableId::kMeta, 0));
  std::vector<Hash> leaves;
  std::optional<codec::TableHead> head;
  for (const ForgedFrame& row : meta) {  // up to the last TABLE_HEAD of logs
    const codec::StatementRecord record = codec::decode_statement(row.payload).value();
    if (const auto* said = std::get_if<codec::TableHead>(&record.body); said && said->table == TableId::kLogs) {
      head = *said;
      break;
    }
    leaves.push_back(tree::leaf_hash(row.payload));
  }
  REQUIRE(head.has_value());
  const std::string first = signed_note(log.rig, TableId::kLogs, head->size, head->root) + "\n" +
                            signed_note(log.rig, TableId::kMeta, leaves.size(), tree::root_of(leaves)) + "\n";
  const std::string rest(as_text(log.rig.disk().read("root/checkpoints.log")));
  log.rig.disk().put("root/checkpoints.log", as_bytes(first + rest));
  log.told("head-inconsistent", "no TABLE_HEAD below the checkpoint of meta names");
}

TEST_CASE("liar: an event that pins a version which its commit does not cover (I7)") {
  Log log;
  const Registry registry(log.rig);
  const codec::TableState before = {log.rig.verify().sizes[1], log.rig.verify().roots[1]};
  codec::EventRecord event;
  const std::vector<ForgedFrame> events = rows_of(log.rig.disk(), segment_file(TableId::kLogs, 0));
  REQUIRE(codec::decode_event(events.back().payload, event).ok());
  event.actor = {registry.a, registry.end()};
  sign_rows(log.rig, {signed_row(registry.next()), signed_row(event)},
            [&](codec::CommitRecord& commit) { commit.tables[index_of(TableId::kRegistry)] = before; });
  log.told("reference-missing", "an event pins a row that its commit does not cover");
}

TEST_CASE("liar: a record of the access log that is none") {
  Log log;
  sign_rows(log.rig, {{TableId::kAccess, static_cast<uint8_t>(codec::row_kind(TableId::kAccess)), 0, {0x01}}});
  log.told("frame-corrupt", "the record does not decode");
}

TEST_CASE("liar: a TABLE_HEAD that names a segment out of turn, and one that was never sealed") {
  for (const uint64_t skip : {uint64_t{0}, uint64_t{1}}) {
    Log log(30, kSegment);
    codec::TableHead head = head_of(log.rig, TableId::kLogs);
    const uint64_t next = log.rig.disk().read("root/logs/manifest").size() / segment::kManifestEntrySize;
    head.sealed = {{{next + skip}, {0}, 1, 1}};
    sign_statements(log.rig, {head});
    log.told("head-inconsistent", skip == 0 ? "which the manifest does not have" : "comes next");
  }
}

TEST_CASE("liar: a RETENTION that begins elsewhere, and one with another digest of the hashes") {
  {
    Log log(30, kSegment);
    codec::Retention retention = retention_of(log.rig, TableId::kLogs, 0, 1);
    retention.from = Row{1};
    sign_statements(log.rig, {retention});
    log.told("retention-unauthorised", "it does not begin where the RETENTION before it ended");
  }
  {
    Log log(30, kSegment);
    codec::Retention retention = retention_of(log.rig, TableId::kLogs, 0, 1);
    retention.tree_sha256[0] ^= 1;
    sign_statements(log.rig, {retention});
    log.told("tile-mismatch", "the hashes of rows let go are not those the RETENTION");
  }
}

}  // namespace
}  // namespace khipu::tests
