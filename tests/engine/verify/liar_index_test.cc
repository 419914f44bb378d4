// What only one check stands against of what is said about index files (liar.h): an index that was cut when its rows
// are not read again, and an INDEX statement that is signed and is not about the index its rows make.
#include "engine/index/format.h"
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

}  // namespace
}  // namespace khipu::tests
