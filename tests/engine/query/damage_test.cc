// Damage met while answering is a finding of the answer, never data and never silence.
#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

EventPage all(TestLog& log) {
  EventRequest request;
  request.filter = Filter{};
  request.limit = 100;
  return good(log.engine().events(request));
}

// Where `text` stands in a file of the fake disk.
uint64_t find(TestLog& log, const std::string& path, std::string_view text) {
  const Buffer content = log.disk().read(path);
  const auto at = std::search(content.begin(), content.end(), text.begin(), text.end());
  REQUIRE(at != content.end());
  return static_cast<uint64_t>(at - content.begin());
}

constexpr const char* kLogs = "root/logs/seg-0000000000.log";
constexpr const char* kRegistry = "root/registry/seg-0000000000.log";

// Rewrites the checksum of the frame that holds `offset`, as one who knows the format would.
void reseal(Buffer& file, uint64_t offset) {
  uint64_t at = segment::kHeaderSize;
  while (at + codec::kFrameHeaderSize <= file.size()) {
    const uint64_t end = at + codec::kFrameHeaderSize + load_le<uint32_t>(file.data() + at);
    if (offset < end) {
      const codec::FrameFacts facts =
          codec::frame_facts(Bytes(file).subspan(at + codec::kFrameHeaderSize, end - at - codec::kFrameHeaderSize))
              .value();
      codec::seal_frame(std::span(file).subspan(at, end - at), facts.kind, facts.time_us);
      return;
    }
    at = end;
  }
  FAIL("no frame there");
}

}  // namespace

TEST_CASE("damage: a flipped bit makes the total a lower bound and names the row") {
  TestLog log;
  for (const char* action : {"FIRST", "SECOND", "THIRD"}) log.add({.action = action});
  log.disk().flip_bit(kLogs, find(log, kLogs, "SECOND"));
  const EventPage page = all(log);
  CHECK(seqs(page) == std::vector<uint64_t>{2, 0});
  CHECK(page.total == 2);
  CHECK(page.total_is_lower_bound);
  CHECK_FALSE(page.coverage.complete);
  REQUIRE(page.findings.size() == 1);
  CHECK(page.findings[0].code == "frame-corrupt");
  CHECK(page.findings[0].row == Row{1});
  CHECK(good(log.engine().describe()).lower_bound);
}

TEST_CASE("damage: a record rewritten with its checksum is counted but not shown") {
  TestLog log;
  for (const char* action : {"FIRST", "SECOND", "THIRD"}) log.add({.action = action});
  const uint64_t offset = find(log, kLogs, "SECOND");
  log.disk().edit(kLogs, [&](Buffer& file) {
    file[offset] = 'X';
    reseal(file, offset);
  });
  const EventPage page = all(log);
  CHECK(seqs(page) == std::vector<uint64_t>{2, 0});
  CHECK(page.total == 3);
  CHECK(page.unshown == 1);
  REQUIRE(page.findings.size() == 1);
  CHECK(page.findings[0].code == "leaf-mismatch");
  const EventDetail detail = good(log.engine().event({1}));
  CHECK_FALSE(detail.event.has_value());
  CHECK(detail.findings.at(0).code == "leaf-mismatch");
}

TEST_CASE("damage: an entity version that was rewritten is shown as missing, the event stays") {
  TestLog log;
  log.add({.actor = user("u-1"), .targets = {doc("d", "genuine")}});
  const uint64_t offset = find(log, kRegistry, "genuine");
  log.disk().edit(kRegistry, [&](Buffer& file) {
    file[offset] = 'G';
    reseal(file, offset);
  });
  const EventPage page = all(log);
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].targets[0].missing);
  CHECK(page.rows[0].targets[0].name.empty());
  CHECK(page.rows[0].actor.id == "u-1");
  CHECK(page.findings.at(0).table == TableId::kRegistry);
}

TEST_CASE("damage: a group whose record was rewritten is counted in other and its key is not shown") {
  TestLog log;
  for (const char* action : {"FIRST", "SECOND", "THIRD", "THIRD"}) log.add({.action = action});
  const uint64_t offset = find(log, kLogs, "SECOND");
  log.disk().edit(kLogs, [&](Buffer& file) {
    file[offset] = 'X';
    reseal(file, offset);
  });
  AggregateRequest request;
  request.group_by = {{GroupBy::kAction, {}}};
  const Aggregate answer = good(log.engine().aggregate(request));
  CHECK(answer.total == 4);
  REQUIRE(answer.groups.size() == 2);
  CHECK(answer.groups[0].key[0].text == "THIRD");
  CHECK(answer.groups[1].key[0].text == "FIRST");
  CHECK(answer.unshown == 1);
  CHECK(answer.other_groups == 1);
  CHECK(answer.other_count == 1);
  CHECK_FALSE(answer.coverage.complete);
  CHECK(answer.findings.at(0).code == "leaf-mismatch");
}

TEST_CASE("damage: a group of an entity whose version was rewritten is not shown") {
  TestLog log;
  log.add({.actor = user("u-1"), .targets = {doc("genuine")}});
  const uint64_t offset = find(log, kRegistry, "genuine");
  log.disk().edit(kRegistry, [&](Buffer& file) {
    file[offset] = 'G';
    reseal(file, offset);
  });
  AggregateRequest request;
  request.group_by = {{GroupBy::kTarget, {}}};
  const Aggregate answer = good(log.engine().aggregate(request));
  CHECK(answer.groups.empty());
  CHECK(answer.other_count == 1);
  CHECK(answer.findings.at(0).table == TableId::kRegistry);
  request.group_by = {{GroupBy::kActor, {}}};
  CHECK(good(log.engine().aggregate(request)).groups.at(0).key[0].text == "user:u-1");
}
