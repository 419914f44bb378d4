// One entity looked up by its ref through indexes and merged indexes of registry/: whatever of these files is there,
// cut, changed or still being made, it is what reading every version says.
#include "engine/query/registry_look_up.h"

#include <random>

#include "engine/index/merged.h"
#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

// Ids, and one that nobody has.
std::vector<std::string> ids() {
  std::vector<std::string> ids = {"nobody"};
  for (int i = 0; i < 40; ++i) ids.push_back("d-" + std::to_string(i));
  for (int i = 0; i < 4; ++i) ids.push_back(std::string(70, 'i') + std::to_string(i));
  return ids;
}

// Rows of each id's versions.
using Versions = std::map<std::string, std::vector<Row>>;
Versions all_versions(const snapshot::Snapshot& snapshot) {
  Versions versions;
  const auto read = snapshot.scan(TableId::kRegistry, {0}, {snapshot.size(TableId::kRegistry)},
                                  snapshot::Order::kAscending, [&](const snapshot::ScannedRow& row) {
                                    codec::VersionRecord version;
                                    REQUIRE(codec::decode_version(row.frame.payload, version).ok());
                                    if (version.type == "doc") versions[std::string(version.id)].push_back(row.row);
                                    return true;
                                  });
  REQUIRE(read.ok());
  return versions;
}

struct Failed {
  uint64_t count = 0;
  snapshot::Snapshot::MergedFailed tell() {
    return [this](const snapshot::SegmentInfo&, uint64_t, const Error& error) {
      CHECK(error.code == Code::kCorrupt);
      ++count;
    };
  }
};

// How many merged files could not be used.
uint64_t check_all(const snapshot::Snapshot& snapshot) {
  Failed failed;
  const Versions versions = all_versions(snapshot);
  for (const std::string& id : ids()) {
    INFO(id);
    const auto expected = versions.find(id);
    const auto entity = look_up_entity(snapshot, "doc", id, failed.tell());
    REQUIRE(entity.ok());
    REQUIRE(entity->has_value() == (expected != versions.end()));
    REQUIRE((!*entity || **entity == expected->second.front()));
    const auto rows = look_up_versions(snapshot, "doc", id, failed.tell());
    REQUIRE(rows.ok());
    REQUIRE(*rows == (expected == versions.end() ? std::vector<Row>() : expected->second));
  }
  return failed.count;
}

// What a process that was just started answers.
std::string told(TestLog& log) {
  std::string told;
  for (const std::string& id : ids()) {
    const auto engine = log.other_engine(7);
    EventRequest request;
    request.filter = Filter{};
    request.filter->where.targets = {"doc:" + id};
    request.limit = 3;
    const auto page = engine->events(request);
    told += id + (page.ok() ? " " + std::to_string(page->total) : " " + page.error().code);
    for (const Match match : {Match::kExact, Match::kExactCi}) {
      for (const bool current : {false, true}) {
        EventRequest by_id;
        by_id.filter = Filter{};
        by_id.filter->where.target_matches = {{"doc", "id", id, match, current}};
        told += " " + std::to_string(good(engine->events(by_id)).total);
      }
    }
    HistoryRequest history;
    history.entity = "doc:" + id;
    const auto answer = log.other_engine(7)->history(history);
    told += answer.ok() ? " history " + std::to_string(answer->total) : " " + answer.error().code;
    told += "\n";
  }
  return told;
}

uint64_t merged_files(TestLog& log) {
  return log.store()
      .snapshot()
      .value()
      ->merged(TableId::kRegistry, [](const auto&, uint64_t, const Error& error) { FAIL(error.message); })
      .size();
}

std::vector<std::string> merged_paths(TestLog& log) {
  std::vector<std::string> paths;
  for (const std::string& path : log.disk().files()) {
    if (path.starts_with("root/registry/idx-")) paths.push_back(path);
  }
  return paths;
}

// A version of one of the ids with each event.
void grow(TestLog& log, std::mt19937_64& random, int events) {
  const std::vector<std::string> all = ids();
  for (int i = 0; i < events; ++i) {
    const std::string& id = all[1 + random() % (all.size() - 1)];
    log.clock().advance_us(7);
    log.add({.targets = {doc(id, "name " + std::to_string(random()))}});
  }
}

}  // namespace

TEST_CASE("look-up: by ref, with merged indexes of the registry, without, and while they are being made") {
  const uint64_t seed = GENERATE(1, 2);
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  TestLog log(600);
  std::vector<std::shared_ptr<const snapshot::Snapshot>> older;
  for (int round = 0; round < 12; ++round) {
    grow(log, random, 14);  // the writer seals, indexes and merges meanwhile
    older.push_back(log.store().snapshot().value());
    REQUIRE(check_all(*older.back()) == 0);
    if (round % 4 == 1) log.wait_until_indexed();
    if (round % 4 == 2) log.restart();
    if (round % 4 == 2) older.clear();  // those of a store that is gone
  }
  log.wait_until_indexed();
  REQUIRE(merged_files(log) > 1);
  const auto newest = log.store().snapshot().value();
  CHECK(check_all(*newest) == 0);
  for (const auto& snapshot : older) CHECK(check_all(*snapshot) == 0);  // which know less of the files
  const std::string with = told(log);

  // Whoever is nowhere is asked of merged files and of what they leave over.
  for (const auto order : {snapshot::Order::kAscending, snapshot::Order::kDescending}) {
    uint64_t asked = 0;
    const auto count = [&](const snapshot::SegmentInfo&) -> Result<bool> {
      ++asked;
      return true;
    };
    Failed failed;
    const index::Term nobody = index::name_term("doc", "nobody");
    REQUIRE(newest->each_holding(TableId::kRegistry, nobody, order, failed.tell(), count).ok());
    CHECK(asked == newest->segments(TableId::kRegistry).size() - index::kMergeFan * merged_files(log));
    CHECK(failed.count == 0);
  }

  for (const std::string& path : merged_paths(log)) log.disk().remove(path);
  log.restart();  // which makes them again, whatever is asked meanwhile
  CHECK(check_all(*log.store().snapshot().value()) == 0);
  log.wait_until_indexed();
  CHECK(merged_files(log) > 1);
  CHECK(told(log) == with);
  const uint64_t spoiled = log.spoil_indexes(false);
  CHECK(spoiled > 0);
  CHECK(merged_files(log) == 0);
  CHECK(check_all(*log.store().snapshot().value()) == 0);
  CHECK(told(log) == with);
}

TEST_CASE("look-up: a merged index of the registry that is not what was signed is told, and others are asked") {
  std::mt19937_64 random(3);
  TestLog log(600);
  grow(log, random, 150);
  log.wait_until_indexed();
  REQUIRE(merged_files(log) > 0);
  const std::string with = told(log);
  const std::vector<std::string> paths = merged_paths(log);
  const std::string how = GENERATE("a bit", "cut", "gone", "those of logs");
  INFO(how);
  for (const std::string& path : paths) {
    if (how == "a bit") log.disk().flip_bit(path, 300);
    if (how == "cut") log.disk().edit(path, [](Buffer& bytes) { bytes.resize(bytes.size() - 1); });
    if (how == "gone") log.disk().remove(path);
    if (how == "those of logs") {
      const std::string other = "root/logs" + path.substr(std::string("root/registry").size());
      if (log.disk().exists(other)) log.disk().put(path, log.disk().read(other));
    }
  }
  (void)log.other_engine(7);
  snapshot::StoreOptions options;
  const auto store = snapshot::Store::open(log.disk().directory("root"), options).value();
  CHECK((check_all(*store->snapshot().value()) > 0) == (how != "gone"));
  Engine engine(*store, [] { return TimeUs{0}; }, {});
  HistoryRequest history;
  history.entity = "doc:d-1";
  const auto answer = good(engine.history(history));
  CHECK(!answer.findings.empty() == (how != "gone"));
  for (const Finding& finding : answer.findings) {
    CHECK(finding.code == "index-mismatch");
    CHECK(finding.table == TableId::kRegistry);
    CHECK(finding.where.find("merged index from segment") != std::string::npos);
  }
  CHECK(told(log) == with);
}

TEST_CASE("merged: segments of commits alone make no file, and are nothing in a larger one") {
  TestLog log(600);
  const auto commits = [&](int count) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(log.writer().append_and_publish(codec::Hold{"a", i % 2 == 0, "b", "c"}).ok());
    }
  };
  const auto merged = [&] {
    uint64_t segments = 0;
    const auto snapshot = log.store().snapshot().value();
    for (const auto& range :
         snapshot->merged(TableId::kLogs, [](const auto&, uint64_t, const Error& error) { FAIL(error.message); })) {
      segments = std::max(segments, range.index->name().count());
    }
    return segments;
  };
  commits(120);
  log.wait_until_indexed();
  REQUIRE(log.store().snapshot().value()->segments(TableId::kLogs).size() > 2 * index::kMergeFan);
  CHECK(merged() == 0);
  std::mt19937_64 random(4);
  while (log.store().snapshot().value()->segments(TableId::kLogs).size() <= 17 * index::kMergeFan)
    grow(log, random, 20);
  log.wait_until_indexed();
  CHECK(merged() == index::kMergeFan * index::kMergeFan);
  CHECK(log.writer().status().index_error.empty());
}
