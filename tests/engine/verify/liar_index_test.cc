// What only one check stands against of what is said about index files (liar.h): an index that was cut when its rows
// are not read again, and an INDEX statement that is signed and is not about the index its rows make.
#include "engine/index/builder.h"
#include "engine/index/merged.h"
#include "engine/query/engine.h"
#include "tests/engine/verify/liar.h"

namespace khipu::tests {
namespace {

// Sealed segments with an index each.
struct Indexed : LiarLog {
  Indexed() : LiarLog(1, kSegment) {
    rig.index_segments();
    REQUIRE(rig.life(30, kSegment).ok());
    REQUIRE(rig.life(1, kSegment).ok());  // indexes what the last moments sealed
    REQUIRE(rig.disk().exists(file()));
    REQUIRE(rig.verify().verdict == verify::Verdict::kPass);
  }
  static std::string file() { return "root/logs/" + index::index_name({0}); }
  codec::IndexStatement said() {
    for (const ForgedFrame& row : rows_of(rig.disk(), segment_file(TableId::kMeta, 0))) {
      const auto statement = codec::decode_statement(row.payload);
      REQUIRE(statement.ok());
      const auto* index = std::get_if<codec::IndexStatement>(&statement->body);
      if (index != nullptr && index->file == index::index_name({0})) return *index;
    }
    FAIL("no INDEX statement of segment 0");
    return {};
  }
};

TEST_CASE("liar: an index that is cut, longer or gone, when only what is new is read") {
  Indexed log;
  const verify::Options options = log.since();
  const Buffer whole = log.rig.disk().read(Indexed::file());
  Buffer other = whole;
  other.pop_back();
  log.rig.disk().put(Indexed::file(), other);
  log.told("index-mismatch", "has another size than its INDEX statement says", options);
  other = whole;
  other.push_back(0);
  log.rig.disk().put(Indexed::file(), other);
  log.told("index-mismatch", "has another size than its INDEX statement says", options);
  log.rig.disk().remove(Indexed::file());
  const verify::Report gone = log.rig.verify(options);  // a cache: nothing is lost by it
  CHECK(gone.verdict == verify::Verdict::kPass);
  CHECK(describe(gone).find("index-missing") != std::string::npos);
}

TEST_CASE("liar: an INDEX statement about another index than the rows make") {
  const auto lie = [](const std::function<void(codec::IndexStatement&)>& change, bool since) {
    Indexed log;
    const verify::Options options = since ? log.since() : verify::Options{};
    codec::IndexStatement statement = log.said();
    change(statement);
    sign_statements(log.rig, {statement});
    log.told("index-mismatch", "the INDEX statement is not about the index these rows make", options);
  };
  for (const bool since : {false, true}) {
    lie([](codec::IndexStatement& said) { said.root[7] ^= 1; }, since);
    lie([](codec::IndexStatement& said) { said.first_row.value += 1; }, since);
    lie([](codec::IndexStatement& said) { said.rows += 1; }, since);
    lie([](codec::IndexStatement& said) { said.size += 1; }, since);
  }
}

TEST_CASE("verify: an index of registry/ of version 1 is judged as one, and by nothing but its statement") {
  Indexed log;
  const std::string path = "root/registry/" + index::index_name({0});
  REQUIRE(log.rig.disk().exists(path));
  const Buffer newest = log.rig.disk().read(path);
  index::Builder builder = index::Builder::of_registry({0}, {0});
  uint64_t rows = 0;
  for (const ForgedFrame& row : rows_of(log.rig.disk(), segment_file(TableId::kRegistry, 0))) {
    REQUIRE(builder.add(row.offset, row.payload).ok());
    ++rows;
  }
  REQUIRE(builder.finish().value().bytes == newest);
  const auto found = [&] {  // by a reader, whom version 1 tells nothing of names
    const auto store = snapshot::Store::open(log.rig.disk().directory("root")).value();
    query::Engine engine(*store, [] { return TimeUs{0}; }, {});
    query::FindRequest request;
    request.text = "u";
    const auto answer = engine.find(request);
    REQUIRE(answer.ok());
    CHECK(answer->findings_total == 0);
    return answer->total;
  };
  const uint64_t everybody = found();
  CHECK(everybody > 0);
  const index::Builder::File old = builder.finish_as(1).value();
  log.rig.disk().put(path, old.bytes);
  log.told("index-mismatch", "has another size than its INDEX statement says");
  codec::IndexStatement statement;
  statement.table = TableId::kRegistry;
  statement.file = index::index_name({0});
  statement.first_row = {0};
  statement.rows = rows;
  statement.size = old.bytes.size();
  statement.root = old.root;
  log.rig.disk().put(path, newest);  // nothing is signed in a log that is not sound
  sign_statements(log.rig, {statement});
  log.rig.disk().put(path, old.bytes);
  CHECK(log.rig.verify().verdict == verify::Verdict::kPass);
  CHECK(found() == everybody);
  log.rig.disk().remove(path);
  const verify::Report gone = log.rig.verify();
  CHECK(gone.verdict == verify::Verdict::kPass);
  CHECK(describe(gone).find("index-missing") != std::string::npos);
  log.rig.disk().put(path, newest);
  log.told("index-mismatch", "has another size than its INDEX statement says");
  Buffer other = old.bytes;
  other[8] = 2;
  log.rig.disk().put(path, other);
  log.told("index-mismatch", "differs from the one its segment's rows make");
}

// A segment that grows, with runs of 8 rows.
struct RunLog : LiarLog {
  RunLog() : LiarLog(1) {
    rig.index_segments(8);
    REQUIRE(rig.life(40).ok());
    REQUIRE(rig.disk().exists(file(2)));
    REQUIRE(rig.verify().verdict == verify::Verdict::kPass);
  }
  static std::string name(uint64_t run) { return "seg-0000000000.run-" + std::to_string(run); }
  static std::string file(uint64_t run) { return "root/logs/" + name(run); }
  codec::IndexStatement said(uint64_t run) {
    for (const ForgedFrame& row : rows_of(rig.disk(), segment_file(TableId::kMeta, 0))) {
      const auto statement = codec::decode_statement(row.payload);
      REQUIRE(statement.ok());
      const auto* index = std::get_if<codec::IndexStatement>(&statement->body);
      if (index != nullptr && index->table == TableId::kLogs && index->file == name(run)) return *index;
    }
    FAIL("no INDEX statement of run " << run);
    return {};
  }
};

TEST_CASE("liar: a run that is cut, when only what is new is read") {
  RunLog log;
  const verify::Options options = log.since();
  const Buffer whole = log.rig.disk().read(RunLog::file(1));
  log.rig.disk().put(RunLog::file(1), Buffer(whole.begin(), whole.end() - 1));
  log.told("index-mismatch", "has another size than its INDEX statement says", options);
}

TEST_CASE("liar: an INDEX statement of a run that does not go on where the one before it ends") {
  const auto lie = [](const std::function<void(codec::IndexStatement&)>& change) {
    RunLog log;
    codec::IndexStatement statement = log.said(2);
    change(statement);
    sign_statements(log.rig, {statement});
    log.told("index-mismatch", "does not go on where the run before it ends");
  };
  lie([](codec::IndexStatement& said) { said.first_row.value += 1; });
  lie([](codec::IndexStatement& said) { said.file = RunLog::name(1000); });
}

// Segments enough for a merged file.
struct MergedLog : LiarLog {
  static constexpr uint64_t kSmall = 600;
  explicit MergedLog(TableId of) : LiarLog(1, kSmall), table(of) {
    rig.index_segments();
    for (int lives = 0; lives < 8 && !rig.disk().exists(file()); ++lives) REQUIRE(rig.life(40, kSmall).ok());
    REQUIRE(rig.life(1, kSmall).ok());
    REQUIRE(rig.disk().exists(file()));
    REQUIRE(rig.verify().verdict == verify::Verdict::kPass);
  }
  std::string path(const std::string& name) const { return std::string("root/") + table_name(table) + "/" + name; }
  std::string file() const { return path(index::merged_name({{0}, {15}})); }
  codec::IndexStatement said() {
    std::optional<codec::IndexStatement> found;
    for (uint64_t segment = 0; rig.disk().exists(segment_file(TableId::kMeta, segment)); ++segment) {
      for (const ForgedFrame& row : rows_of(rig.disk(), segment_file(TableId::kMeta, segment))) {
        const auto statement = codec::decode_statement(row.payload);
        REQUIRE(statement.ok());
        const auto* index = std::get_if<codec::IndexStatement>(&statement->body);
        if (index != nullptr && index->table == table && index::parse_merged_name(index->file)) found = *index;
      }
    }
    REQUIRE(found);
    return *found;
  }
  TableId table;
};

TEST_CASE("liar: a merged index with a changed bit, cut, or gone") {
  MergedLog log(GENERATE(TableId::kLogs, TableId::kRegistry));
  INFO(table_name(log.table));
  const verify::Options since = log.since();
  const Buffer whole = log.rig.disk().read(log.file());
  for (const size_t at : {size_t{10}, size_t{20}, size_t{140}, whole.size() / 2, whole.size() - 1}) {
    Buffer other = whole;
    other[at] ^= 1;
    log.rig.disk().put(log.file(), other);
    log.told("index-mismatch", "the index differs from the one its segment's rows make", {});
  }
  log.rig.disk().put(log.file(), Buffer(whole.begin(), whole.end() - 1));
  log.told("index-mismatch", "has another size than its INDEX statement says", since);
  log.rig.disk().remove(log.file());
  const verify::Report gone = log.rig.verify();
  CHECK(gone.verdict == verify::Verdict::kPass);
  CHECK(describe(gone).find("index-missing") != std::string::npos);
  // It is made of the rows where an index it is made of is not there either.
  uint64_t part = 0;
  const auto file = [&] { return log.path(index::index_name({part})); };
  while (!log.rig.disk().exists(file())) ++part;  // a segment of commits alone has none
  log.rig.disk().remove(file());
  log.rig.disk().put(log.file(), whole);
  CHECK(log.rig.verify().verdict == verify::Verdict::kPass);
}

TEST_CASE("liar: an INDEX statement about another merged index than the segments make") {
  const auto lie = [](TableId table, const std::function<void(codec::IndexStatement&)>& change) {
    MergedLog log(table);
    codec::IndexStatement statement = log.said();
    change(statement);
    sign_statements(log.rig, {statement});
    log.told("index-mismatch", "the INDEX statement is not about the index these rows make", {});
  };
  for (const TableId table : index::kIndexedTables) {
    lie(table, [](codec::IndexStatement& said) { said.root[7] ^= 1; });
    lie(table, [](codec::IndexStatement& said) { said.rows += 1; });
    lie(table, [](codec::IndexStatement& said) { said.file = index::merged_name({{256}, {511}}); });  // not sealed yet
  }
}

TEST_CASE("verify: a merged index of registry/ that no statement names is told, and kept apart from those of runs") {
  MergedLog log(TableId::kRegistry);
  const Buffer whole = log.rig.disk().read(log.file());
  log.rig.disk().put(log.path(index::merged_name({{4096}, {8191}})), whole);
  log.told("file-unaccounted", "no INDEX statement names this index, and its segments are not sealed");
}

}  // namespace
}  // namespace khipu::tests
