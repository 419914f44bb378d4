// Entities found by attributes through the indexes of registry/: as if every version was read, which it is not.
#include <random>

#include "engine/index/format.h"
#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

constexpr const char* kRegistry = "root/registry/seg-0000000000.log";

Filter matching(EntityMatcher matcher) {
  Filter filter;
  filter.where.target_matches = {std::move(matcher)};
  return filter;
}

std::string matched(Engine& engine, const EntityMatcher& matcher) {
  EventRequest request;
  request.filter = matching(matcher);
  request.limit = 100;
  const EventPage page = good(engine.events(request));
  std::string told = std::to_string(page.total) + ":";
  for (const uint64_t seq : seqs(page)) told += " " + std::to_string(seq);
  for (const Note& note : page.notes) told += " " + note.code;
  for (const Finding& finding : page.findings) told += " " + finding.code;
  return told;
}

std::string found(Engine& engine, const FindRequest& request) {
  const FoundEntities answer = good(engine.find(request));
  std::string told = std::to_string(answer.total) + (answer.coverage.complete ? ":" : " incomplete:");
  for (const SeenEntity& one : answer.entities) {
    told += " " + one.entity.ref + "=" + one.entity.name + "/" + one.match + "/" + one.entity.matched_on + "/" +
            std::to_string(one.entity.versions) + (one.entity.deleted ? "/deleted/" : "/") +
            std::to_string(one.entity.newest.value) + "/" + std::to_string(one.events);
  }
  for (const Finding& finding : answer.findings) told += " " + finding.code;
  return told;
}

const std::vector<std::string>& values() {
  using namespace std::string_literals;
  static const std::vector<std::string> kValues = {"",
                                                   "Draft",
                                                   "draft",
                                                   "DRAFT two",
                                                   "Plan B",
                                                   "plan",
                                                   "\xC3\x84rger",
                                                   "\xC3\xA4rger",
                                                   "\xE2\x84\xAA-sign",
                                                   "k-sign",
                                                   std::string(47, 'L'),
                                                   std::string(48, 'l'),
                                                   std::string(60, 'l') + "a",
                                                   std::string(60, 'L') + "b",
                                                   "draft " + std::string(60, 'x'),
                                                   "d"};
  return kValues;
}

std::vector<std::string> ids() {
  std::vector<std::string> ids = {"d", "D", "draft", "Plan", "x:y"};
  for (int i = 0; i < 6; ++i) ids.push_back("d-" + std::to_string(i));
  for (int i = 0; i < 3; ++i) ids.push_back(std::string(70, 'i') + std::to_string(i));
  return ids;
}

}  // namespace

TEST_CASE("version search: what is found through indexes is what is found by reading every version") {
  const uint64_t seed = GENERATE(1, 2, 3, 4);
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  TestLog log(seed % 2 == 0 ? 2000 : 32 << 20);  // sealed segments, or runs alone
  const std::vector<std::string> ids = ::ids();
  const auto pick = [&](const std::vector<std::string>& from) { return from[random() % from.size()]; };
  std::map<std::string, bool> live;
  for (int i = 0; i < 220; ++i) {
    Thing thing = doc(pick(ids));
    if (random() % 3 != 0) thing.fields["name"] = pick(values());
    if (random() % 3 == 0) thing.fields["mail"] = pick(values());
    thing.deleted = live[thing.id] && random() % 8 == 0;
    if (thing.deleted) thing.fields.clear();
    live[thing.id] = !thing.deleted;
    log.add({.time = kStart + i, .actor = user("u-" + std::to_string(random() % 5)), .targets = {thing}});
  }
  log.wait_until_indexed();
  const auto snapshot = log.store().snapshot().value();
  uint64_t with = 0;
  for (const snapshot::SegmentInfo& segment : snapshot->segments(TableId::kRegistry)) {
    const auto parts = snapshot->parts(TableId::kRegistry, segment).value();
    for (const snapshot::Part& part : parts) with += part.index ? 1 : 0;
  }
  REQUIRE(with > 3);

  std::vector<std::string> texts = values();
  texts.insert(texts.end(), ids.begin(), ids.end());
  for (const char* more :
       {"doc:d", "doc:DRAFT", "user:u-1", "u-", "ra", "l", "lllll", "i", "nobody", "\xC3\xA4", "K"}) {
    texts.emplace_back(more);
  }
  std::vector<EntityMatcher> matchers;
  std::vector<FindRequest> requests;
  for (const std::string& text : texts) {
    for (const char* field : {"id", "name", "mail"}) {
      for (const Match match : {Match::kExact, Match::kExactCi, Match::kPrefix, Match::kContains}) {
        for (const bool current : {false, true}) matchers.push_back({"doc", field, text, match, current});
      }
    }
    if (text.empty()) continue;
    FindRequest request;
    request.text = text;
    request.limit = 1 + static_cast<uint32_t>(random() % 20);
    if (random() % 3 == 0) request.type = "doc";
    request.include_deleted = random() % 2 == 0;
    if (random() % 4 == 0) request.role = Role::kTarget;
    requests.push_back(request);
  }
  std::vector<std::string> told;
  for (const EntityMatcher& matcher : matchers) told.push_back(matched(log.engine(), matcher));
  for (const FindRequest& request : requests) told.push_back(found(log.engine(), request));
  (void)log.spoil_indexes(false);  // every version is read
  size_t at = 0;
  for (const EntityMatcher& matcher : matchers) {
    INFO(matcher.field << " " << matcher.value << " " << name(matcher.match) << " " << matcher.current_only);
    REQUIRE(matched(log.engine(), matcher) == told[at++]);
  }
  for (const FindRequest& request : requests) {
    INFO(request.text);
    REQUIRE(found(log.engine(), request) == told[at++]);
  }
}

namespace {

// Four runs of registry/ with 16 versions each and no rest.
struct Documents {
  Documents() {
    for (int i = 0; i < 63; ++i) {
      log.add({.actor = user("u-1"), .targets = {doc("d-" + std::to_string(i), "Title " + std::to_string(i))}});
    }
    log.wait_until_indexed();
    const auto snapshot = log.store().snapshot().value();
    const auto parts = snapshot->parts(TableId::kRegistry, snapshot->segments(TableId::kRegistry).back()).value();
    REQUIRE(parts.size() == 4);
    for (const snapshot::Part& part : parts) REQUIRE(part.index);
  }
  void flip(std::string_view text) {
    const Buffer bytes = log.disk().read(kRegistry);
    const size_t at = as_text(bytes).find(text);
    REQUIRE(at != std::string_view::npos);
    log.disk().flip_bit(kRegistry, at);
  }
  TestLog log;
};

}  // namespace

TEST_CASE("version search: a version that is not asked for is not read, and the one that is shown is") {
  Documents documents;
  documents.flip("Title 40");
  const auto engine = documents.log.other_engine(9);
  FindRequest request;
  request.text = "title 33";
  CHECK(found(*engine, request) == "1: doc:d-33=Title 33/exact/current_name/1/34/1");
  for (const Match match : {Match::kExactCi, Match::kPrefix, Match::kContains}) {
    CHECK(matched(*engine, {"doc", "name", "title 33", match, false}) == "1: 33");
    CHECK(matched(*engine, {"doc", "id", "D-33", match, false}) == "1: 33");
  }
  request.text = "title 40";
  CHECK(found(*engine, request) == "1 incomplete: frame-corrupt");  // it is there, and cannot be shown
  documents.log.spoil_indexes(false);
  request.text = "title 33";
  CHECK(found(documents.log.engine(), request) ==
        "1 incomplete: doc:d-33=Title 33/exact/current_name/1/34/1 frame-corrupt");
}

TEST_CASE("version search: an index that was edited is not believed: the versions are read, and the answer says so") {
  Documents documents;
  const std::string run = "root/registry/" + index::run_name({{0}, 2});
  documents.log.disk().flip_bit(run, documents.log.disk().read(run).size() / 2);
  documents.log.restart();  // what a reader has checked once it keeps
  const auto engine = documents.log.other_engine(9);
  FindRequest request;
  request.text = "title 33";
  CHECK(found(*engine, request) == "1 incomplete: doc:d-33=Title 33/exact/current_name/1/34/1 index-mismatch");
  CHECK(matched(*engine, {"doc", "name", "title 33", Match::kPrefix, true}) == "1: 33 REGISTRY_DAMAGED index-mismatch");
}
