// Damage met while answering is a finding of the answer, never data and never silence.
#include <atomic>

#include "tests/engine/query/real_log.h"
#include "tests/engine/query/test_log.h"
#include "tests/support/watched_directory.h"

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

TEST_CASE("damage: a record rewritten with its checksum is neither counted nor shown, and the answer says so") {
  TestLog log;
  for (const char* action : {"FIRST", "SECOND", "THIRD"}) log.add({.action = action});
  const uint64_t offset = find(log, kLogs, "SECOND");
  log.disk().edit(kLogs, [&](Buffer& file) {
    file[offset] = 'X';
    reseal(file, offset);
  });
  const EventPage page = all(log);
  CHECK(seqs(page) == std::vector<uint64_t>{2, 0});
  CHECK(page.total == 2);
  CHECK(page.total_is_lower_bound);
  CHECK_FALSE(page.coverage.complete);
  REQUIRE(page.findings.size() == 1);
  CHECK(page.findings[0].code == "leaf-mismatch");
  const EventDetail detail = good(log.engine().event({1}));
  CHECK_FALSE(detail.event.has_value());
  CHECK(detail.findings.at(0).code == "leaf-mismatch");
}

TEST_CASE("damage: of a page over many tiles the rows of one that was changed are findings, the others are shown") {
  TestLog log;
  constexpr uint64_t kRows = 256 * 12 + 100, kChanged = 5;
  for (uint64_t seq = 0; seq < kRows;) {
    std::vector<Spec> specs;
    for (int i = 0; i < 128 && seq < kRows; ++i, ++seq)
      specs.push_back({.actor = user(seq % 100 == 3 ? "u-a" : "u-b")});
    log.add(specs);
  }
  log.restart();  // tree files are written
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.actors = {"user:u-a"};
  request.limit = 100;
  for (const unsigned threads : {1U, 4U}) {
    for (const bool changed : {false, true}) {
      Buffer tree = log.disk().read("root/logs/tree/0");
      const Buffer sound = tree;
      if (changed) tree[32 * (256 * kChanged + 200)] ^= 1;  // no leaf of a row that is shown
      log.disk().put("root/logs/tree/0", tree);
      snapshot::StoreOptions options;
      options.scan_threads_max = threads;
      const auto store = snapshot::Store::open(log.disk().directory("root"), options).value();
      Engine engine(*store, [&] { return log.clock().now(); }, {});
      for (int again = 0; again < 2; ++again) {
        const EventPage page = good(engine.events(request));
        std::vector<uint64_t> expected;
        uint64_t total = 0, hidden = 0;
        for (uint64_t seq = kRows; seq-- > 0;) {
          if (seq % 100 != 3) continue;
          ++total;
          if (changed && seq / 256 == kChanged) {
            ++hidden;
          } else {
            expected.push_back(seq);
          }
        }
        CHECK(seqs(page) == expected);
        CHECK(page.unshown == hidden);
        CHECK(page.findings_total == hidden);
        CHECK(page.total == total);
      }
      log.disk().put("root/logs/tree/0", sound);
    }
  }
}

TEST_CASE("damage: tree files that the system would not give are an Error, asked for once, and no finding") {
  TestLog log;
  for (int n = 0; n < 40; ++n) log.add(std::vector<Spec>(20, Spec{.action = "SAME"}));
  log.restart();  // tree files are written
  for (const unsigned threads : {1U, 4U}) {
    for (const bool searched : {false, true}) {
      std::atomic<int> refused = 0;
      khipu::tests::Watch watch{[&](const std::string& operation) -> Result<void> {
        if (operation != "read logs/tree/0") return {};
        ++refused;
        return Error{Code::kIo, operation + ": Input/output error"};
      }};
      snapshot::StoreOptions options;
      options.scan_threads_max = threads;
      const auto store =
          snapshot::Store::open(
              std::make_unique<khipu::tests::WatchedDirectory>(log.disk().directory("root"), "", watch), options)
              .value();
      Engine engine(*store, [&] { return log.clock().now(); }, {});
      EventRequest request;
      request.filter = Filter{};
      if (searched) request.filter->where.actions = {"SAME"};
      request.limit = 100;
      const auto page = engine.events(request);
      CHECK_FALSE(page.ok());
      CHECK(refused <= 8);
    }
  }
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

TEST_CASE(
    "damage: of a page's many versions the one that was rewritten is missing, and the record that was is left out") {
  TestLog log;
  for (int i = 100; i < 140; ++i) {
    log.add({.actor = user("u-h" + std::to_string(i)),
             .targets = {doc("d-" + std::to_string(i))},
             .url = "/p" + std::to_string(i)});
  }
  log.disk().flip_bit(kRegistry, find(log, kRegistry, "u-h117"));
  log.disk().flip_bit(kLogs, find(log, kLogs, "/p122"));
  EventRequest request;
  request.filter = Filter{};
  request.limit = 100;
  const auto store = snapshot::Store::open(log.disk().directory("root")).value();
  Engine engine(*store, [&] { return log.clock().now(); }, {});
  for (int again = 0; again < 2; ++again) {
    const EventPage page = good(engine.events(request));
    REQUIRE(page.rows.size() == 39);
    for (const EventRow& row : page.rows) {
      const uint64_t number = 100 + row.seq.value;
      CHECK(number != 122);
      CHECK(row.url == "/p" + std::to_string(number));
      CHECK(row.actor.missing == (number == 117));
      CHECK(row.targets.at(0).id == "d-" + std::to_string(number));
      if (!row.actor.missing) CHECK(row.actor.id == "u-h" + std::to_string(number));
    }
    CHECK(page.findings_total == 2);
  }
}

TEST_CASE("damage: a group whose record was rewritten is left out, and the answer says so") {
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
  CHECK(answer.total == 3);
  CHECK(answer.total_is_lower_bound);
  REQUIRE(answer.groups.size() == 2);
  CHECK(answer.groups[0].key[0].text == "THIRD");
  CHECK(answer.groups[1].key[0].text == "FIRST");
  CHECK(answer.other_count == 0);
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

TEST_CASE("damage: a record rewritten so that it no longer meets the filter is a finding, not silence") {
  TestLog log;
  for (const char* action : {"FIRST", "DELETE", "THIRD"})
    log.add({.action = action, .text = "said " + std::string(action)});
  for (const char* word : {"DELETE", "said DELETE"}) {  // its action, and its content
    CAPTURE(word);
    Filter filter;
    if (word == std::string_view("DELETE")) {
      filter.where.actions = {"DELETE"};
    } else {
      filter.where.text = word;
    }
    const Buffer before = log.disk().read(kLogs);
    const uint64_t offset = find(log, kLogs, word);
    log.disk().edit(kLogs, [&](Buffer& file) {
      file[offset] ^= 1;
      reseal(file, offset);
    });
    for (int again = 0; again < 3; ++again) {  // scanned, and behind that indexed in memory
      EventRequest request;
      request.filter = filter;
      const EventPage page = good(log.engine().events(request));
      CHECK(page.total == 0);
      CHECK(page.total_is_lower_bound);
      REQUIRE(page.findings.size() == 1);
      CHECK(page.findings[0].code == "leaf-mismatch");
      CHECK(page.findings[0].row == Row{1});
    }
    log.disk().edit(kLogs, [&](Buffer& file) { file = before; });
  }
}

TEST_CASE("damage: a frame time rewritten with its checksum does not take a record out of a window") {
  TestLog log;
  log.add(Spec{.time = kStart});
  log.disk().edit(kLogs, [&](Buffer& file) {
    const uint64_t size = codec::kFrameHeaderSize + load_le<uint32_t>(file.data() + segment::kHeaderSize);
    codec::seal_frame(std::span(file).subspan(segment::kHeaderSize, size), 1, kStart - 1000000000);
  });
  EventRequest request;
  request.filter = Filter{};
  request.filter->from = kStart - 1;
  const EventPage page = good(log.engine().events(request));
  CHECK(page.total_is_lower_bound);
  CHECK(page.findings.at(0).code == "leaf-mismatch");
}

TEST_CASE("damage: times rewritten in the manifest hide no segment, with its index and without") {
  for (const bool indexed : {true, false}) {
    CAPTURE(indexed);
    TestLog log(4096);
    for (int i = 0; i < 60; ++i) log.add({.action = "PUT", .text = std::string(200, 'x')});
    log.wait_until_indexed();
    Filter filter;
    filter.from = kStart - 1000000;
    EventRequest request;
    request.filter = filter;
    request.order = {OrderBy::kTime, false};
    request.limit = 5;
    const EventPage before = good(log.engine().events(request));
    REQUIRE(before.total == 60);
    if (!indexed) REQUIRE(log.spoil_indexes(false) > 1);
    log.disk().edit("root/logs/manifest", [](Buffer& file) {
      REQUIRE(file.size() >= 2 * segment::kManifestEntrySize);
      for (size_t at = 0; at < file.size(); at += segment::kManifestEntrySize) {
        auto entry = segment::parse_manifest_entry(Bytes(file).subspan(at, segment::kManifestEntrySize)).value();
        entry.footer.time_min = entry.footer.time_max = 1;
        entry.footer.recorded_first = entry.footer.recorded_last = 1;
        const auto bytes = segment::encode_manifest_entry(entry);
        std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<ptrdiff_t>(at));
      }
    });
    const auto reader = log.other_engine(7);  // one that has seen nothing before
    for (const Axis axis : {Axis::kOccurred, Axis::kRecorded}) {
      request.filter->axis = axis;
      const EventPage page = good(reader->events(request));
      CHECK(page.total == 60);
      CHECK(seqs(page) == seqs(before));
      request.cursor = page.cursor.value();
      CHECK(seqs(good(reader->events(request))).at(0) == 5);
      request.cursor.clear();
    }
  }
}

TEST_CASE("damage: an entity whose name was rewritten is not found, and that is a finding of the answer") {
  TestLog log;
  log.add({.actor = user("u-genuine")});
  const uint64_t offset = find(log, kRegistry, "u-genuine");
  log.disk().edit(kRegistry, [&](Buffer& file) {
    file[offset] = 'v';
    reseal(file, offset);
  });
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.actors = {"user:u-genuine"};
  const EventPage page = good(log.engine().events(request));
  CHECK(page.total == 0);
  CHECK(page.findings.at(0).code == "leaf-mismatch");
  CHECK(page.findings.at(0).table == TableId::kRegistry);
}

TEST_CASE("damage: a writer that builds an index again does not sign for records that were rewritten meanwhile") {
  TestLog log(4096);
  for (int i = 0; i < 60; ++i) log.add({.action = "DELETE", .text = std::string(200, 'x')});
  log.wait_until_indexed();
  REQUIRE(log.spoil_indexes(false) > 1);
  const uint64_t offset = find(log, kLogs, "DELETE");
  log.disk().edit(kLogs, [&](Buffer& file) {
    file[offset] ^= 1;
    reseal(file, offset);
  });
  log.restart();
  log.wait_until_indexed();
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.actions = {"DELETE"};
  request.limit = 0;
  const EventPage page = good(log.engine().events(request));
  CHECK(page.total == 59);
  CHECK(page.total_is_lower_bound);
  CHECK(page.findings.at(0).code == "leaf-mismatch");
}

TEST_CASE("damage: a version rewritten under a reader that knew its entity is a finding of every answer after it") {
  TestLog log;
  log.add({.actor = {"user", "u-7", {{"name", "genuine"}}, false}, .targets = {doc("d")}});
  RealLog real(log);  // a map of the fake disk is a copy, which no rewriting reaches
  Engine& engine = real.engine();
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.actors = {"genuine"};
  REQUIRE(good(engine.events(request)).total == 1);
  FindRequest names;
  names.text = "genuine";
  REQUIRE(good(engine.find(names)).total == 1);
  REQUIRE(good(engine.describe()).findings.empty());
  const Buffer before = log.disk().read(kRegistry);
  Buffer changed = before;
  const uint64_t offset = find(log, kRegistry, "genuine");
  changed[offset] = 'G';
  reseal(changed, offset);
  const auto write = [&](const Buffer& content) {
    std::fstream file(real / "registry/seg-0000000000.log", std::ios::in | std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    REQUIRE(file.flush().good());
  };
  write(changed);
  const auto told = [](const std::vector<Finding>& findings) {
    return std::count_if(findings.begin(), findings.end(), [](const Finding& finding) {
      return finding.code == "leaf-mismatch" && finding.table == TableId::kRegistry;
    });
  };
  const auto ask_all = [&] {
    const EventPage page = good(engine.events(request));
    CHECK(told(page.findings) > 0);
    CHECK_FALSE(page.coverage.complete);
    EventRequest matching;
    matching.filter = Filter{};
    matching.filter->where.actor_match = EntityMatcher{"user", "name", "genuine", Match::kExact, false};
    CHECK(told(good(engine.events(matching)).findings) > 0);
    AggregateRequest groups;
    groups.group_by = {{GroupBy::kActor, {}}};
    groups.filter.where.actors = {"genuine"};
    CHECK(told(good(engine.aggregate(groups)).findings) > 0);
    const FoundEntities found = good(engine.find(names));
    CHECK(told(found.findings) > 0);
    CHECK_FALSE(found.coverage.complete);
    CHECK(told(good(engine.describe()).findings) > 0);
    HistoryRequest history;
    history.entity = "genuine";
    const auto of = engine.history(history);
    CHECK(told(of.ok() ? of->findings : of.error().findings) > 0);
  };
  ask_all();
  ask_all();
  write(before);
  CHECK(told(good(engine.events(request)).findings) > 0);  // what was met once is told by this reader from then on
  CHECK(good(engine.events(request)).total == 1);
}

TEST_CASE("damage: who is not found because a version was rewritten is NOT_FOUND with that finding") {
  TestLog log;
  log.add({.actor = {"user", "u-7", {{"name", "genuine"}}, false}});
  const uint64_t offset = find(log, kRegistry, "genuine");
  log.disk().edit(kRegistry, [&](Buffer& file) {
    file[offset] = 'G';
    reseal(file, offset);
  });
  HistoryRequest request;
  request.entity = "genuine";
  const auto history = log.engine().history(request);
  REQUIRE_FALSE(history.ok());
  CHECK(history.error().code == "NOT_FOUND");
  REQUIRE(history.error().findings.size() == 1);
  CHECK(history.error().findings[0].code == "leaf-mismatch");
  CHECK(history.error().findings[0].table == TableId::kRegistry);
  FindRequest find_request;
  find_request.text = "genuine";
  const FoundEntities found = good(log.engine().find(find_request));
  CHECK(found.total == 0);
  CHECK(found.findings.at(0).code == "leaf-mismatch");
  CHECK(found.findings_total == 1);
}

TEST_CASE("damage: an event that a scope cannot be told of for a rewritten version is a finding of the scoped answer") {
  TestLog log;
  log.add({.actor = user("u-genuine")});
  const uint64_t offset = find(log, kRegistry, "u-genuine");
  log.disk().edit(kRegistry, [&](Buffer& file) {
    file[offset] = 'v';
    reseal(file, offset);
  });
  const auto scoped = log.engine().scoped(Scope{{"user"}, {}, {}});
  EventRequest request;
  request.filter = Filter{};
  const EventPage page = good(scoped->events(request));
  CHECK(page.total == 0);
  CHECK(page.findings.at(0).table == TableId::kRegistry);
}
