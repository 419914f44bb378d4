// Scenarios 1, 2, 3, 6, 7, 23 and 24 of the reference document's section 5, by number.
#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

namespace {

EventPage ask(TestLog& log, const Filter& filter, uint32_t limit = 25) {
  EventRequest request;
  request.filter = filter;
  request.limit = limit;
  return good(log.engine().events(request));
}

Filter by_target(std::string target) {
  Filter filter;
  filter.where.targets = {std::move(target)};
  return filter;
}

Filter by_target_name(std::string name, bool current_only = false) {
  Filter filter;
  filter.where.target_matches = {{"doc", "name", std::move(name), Match::kExact, current_only}};
  return filter;
}

}  // namespace

TEST_CASE("scenario 1: a renamed entity is found by both names and each event shows the name of its own time") {
  TestLog log;
  log.add({.targets = {doc("doc-9", "draft")}});
  log.add({.targets = {doc("doc-9", "final-report")}});
  for (const char* name : {"draft", "final-report"}) {
    for (const Filter& filter : {by_target(name), by_target_name(name)}) {
      const EventPage page = ask(log, filter);
      REQUIRE(page.total == 2);
      CHECK(page.rows[0].targets[0].name == "final-report");
      CHECK(page.rows[1].targets[0].name == "draft");
      CHECK(page.rows[1].targets[0].ref() == "doc:doc-9");
    }
  }
  CHECK(ask(log, by_target("draft")).notes.at(0).code == "NAME_MATCHED_OLD_VERSION");
  CHECK(ask(log, by_target("final-report")).notes.empty());
  CHECK(ask(log, by_target("draft")).applied.where.targets.at(0) == "doc:doc-9");
  const EventPage none = ask(log, by_target("nobody"));
  CHECK(none.total == 0);
  CHECK(none.notes.at(0).code == "UNKNOWN_ENTITY");
  CHECK(ask(log, by_target_name("nobody")).total == 0);
}

TEST_CASE("scenario 2: one event with JSON content and a target is the one hit after a restart") {
  TestLog log;
  log.add({.action = "DELETE", .targets = {doc("d-1")}, .url = "/docs/d-1", .json = R"({"why": "asked",  "n":1.50})"});
  log.add({.action = "GET"});
  log.restart();
  Filter filter;
  filter.where.actions = {"DELETE"};
  const EventPage page = ask(log, filter);
  REQUIRE(page.total == 1);
  CHECK(page.rows[0].url == "/docs/d-1");
  CHECK(page.rows[0].targets[0].ref() == "doc:d-1");
  CHECK(page.rows[0].content == R"({"why": "asked",  "n":1.50})");
  CHECK_FALSE(page.cursor.has_value());
}

TEST_CASE("scenario 3: a custom column takes its kind only, and is queried by value") {
  TestLog log;
  CHECK(log.refused({.custom = {{"tenant", OwnedValue(codec::Value::of_integer(5))}}}).code == Code::kInvalid);
  CHECK(log.refused({.custom = {{"tennant", OwnedValue(codec::Value::of_text("acme"))}}}).code == Code::kInvalid);
  log.add({.custom = {{"tenant", OwnedValue(codec::Value::of_text("acme"))}}});
  log.add({.custom = {{"tenant", OwnedValue(codec::Value::of_text("other"))},
                      {"cost", OwnedValue(codec::Value::of_integer(12))}}});
  Filter filter;
  filter.where.custom = {{"tenant", OwnedValue(codec::Value::of_text("acme"))}};
  CHECK(seqs(ask(log, filter)) == std::vector<uint64_t>{0});
  filter.where.custom = {{"cost", OwnedValue(codec::Value::of_text("12"))}};  // as a shell gives it
  CHECK(seqs(ask(log, filter)) == std::vector<uint64_t>{1});
  filter.where.custom = {{"tennant", OwnedValue(codec::Value::of_text("acme"))}};
  EventRequest request;
  request.filter = filter;
  const auto answer = log.engine().events(request);
  REQUIRE(!answer.ok());
  CHECK(answer.error().code == "UNKNOWN_FIELD");
  CHECK(answer.error().did_you_mean == "tenant");
}

TEST_CASE("scenario 6: a deleted entity is found among past versions and not among current ones") {
  TestLog log;
  log.add({.targets = {doc("d-1", "plan")}});
  log.add({.action = "DELETE", .targets = {{"doc", "d-1", {}, true}}});
  const EventPage past = ask(log, by_target_name("plan"));
  REQUIRE(past.total == 2);
  CHECK(past.rows[1].targets[0].name == "plan");
  CHECK_FALSE(past.rows[1].targets[0].deleted);
  CHECK(past.rows[0].targets[0].deleted);
  CHECK(ask(log, by_target_name("plan", true)).total == 0);
}

TEST_CASE("scenario 7: several targets must all be there") {
  TestLog log;
  log.add({{.targets = {doc("a"), doc("b")}}, {.targets = {doc("a")}}, {.targets = {doc("b"), doc("c")}}});
  Filter filter;
  filter.where.targets = {"doc:a"};
  CHECK(ask(log, filter).total == 2);
  filter.where.targets = {"doc:a", "doc:b"};
  CHECK(ask(log, filter).total == 1);
  filter.where.targets = {"doc:a", "doc:c"};
  CHECK(ask(log, filter).total == 0);
  Filter without;
  without.where_not.targets = {"doc:a", "doc:c"};  // each excludes by itself
  CHECK(ask(log, without).total == 0);
  without.where_not.targets = {"doc:c"};
  CHECK(ask(log, without).total == 2);
}

namespace {

// 200 events, one a microsecond, every tenth on doc:t; many small segments.
std::unique_ptr<TestLog> two_hundred() {
  auto log = std::make_unique<TestLog>(4096);
  for (int i = 0; i < 200; i += 5) {
    std::vector<Spec> specs;
    for (int j = i; j < i + 5; ++j) {
      Spec spec{.time = kStart + j, .url = "/r/" + std::to_string(j), .text = std::string(80, 'x')};
      if (j % 10 == 0) spec.targets = {doc("t")};
      specs.push_back(std::move(spec));
    }
    log->add(specs);
  }
  return log;
}

// All seqs over pages of `limit` rows.
std::vector<uint64_t> walk(TestLog& log, const Filter& filter, Order order, uint32_t limit, uint64_t total) {
  std::vector<uint64_t> all;
  EventRequest request;
  request.filter = filter;
  request.order = order;
  request.limit = limit;
  for (;;) {
    const EventPage page = good(log.engine().events(request));
    CHECK(page.total == total);
    CHECK(page.rows.size() <= limit);
    for (const uint64_t seq : seqs(page)) all.push_back(seq);
    if (!page.cursor) break;
    request.cursor = *page.cursor;
    request.filter.reset();  // the cursor alone is enough
  }
  return all;
}

std::vector<uint64_t> counted(uint64_t from, uint64_t to, uint64_t step = 1) {
  std::vector<uint64_t> list;
  for (uint64_t i = from; i < to; i += step) list.push_back(i);
  return list;
}

}  // namespace

TEST_CASE("scenario 23: pages both ways hold every row once, whatever is appended meanwhile") {
  const auto log = two_hundred();
  const EventPage newest = ask(*log, {}, 10);
  CHECK(seqs(newest) == std::vector<uint64_t>{199, 198, 197, 196, 195, 194, 193, 192, 191, 190});
  CHECK(newest.total == 200);
  std::vector<uint64_t> reversed = counted(0, 200);
  CHECK(walk(*log, {}, {OrderBy::kSeq, false}, 7, 200) == reversed);
  CHECK(walk(*log, {}, {OrderBy::kTime, false}, 7, 200) == reversed);
  std::reverse(reversed.begin(), reversed.end());
  CHECK(walk(*log, {}, {OrderBy::kSeq, true}, 7, 200) == reversed);
  CHECK(walk(*log, {}, {OrderBy::kTime, true}, 7, 200) == reversed);

  EventRequest request;
  request.filter = Filter{};
  request.limit = 150;
  EventPage page = good(log->engine().events(request));
  const AsOf first = page.as_of;
  log->add(std::vector<Spec>(50, Spec{.time = kStart + 300}));
  request.cursor = *page.cursor;
  page = good(log->engine().events(request));
  CHECK(seqs(page).size() == 50);
  CHECK(page.total == 200);
  CHECK(page.as_of.tree_size == first.tree_size);
  CHECK(page.as_of.root == first.root);
  CHECK_FALSE(page.cursor.has_value());
  CHECK(ask(*log, {}, 1).total == 250);
}

TEST_CASE("scenario 23: a window touches few segments, a count ignores the limit, an exact last page has no cursor") {
  const auto log = two_hundred();
  log->wait_until_indexed();  // a segment without a stated index is scanned, whatever times its footer claims
  Filter window;
  window.from = kStart + 90;
  window.to = kStart + 101;
  const EventPage page = ask(*log, window, 50);
  CHECK(page.total == 11);
  CHECK(page.scanned < 100);
  CHECK(ask(*log, window, 0).total == 11);
  CHECK(ask(*log, {}, 5).total == 200);
  CHECK(walk(*log, by_target("doc:t"), {OrderBy::kSeq, false}, 3, 20) == counted(0, 200, 10));
  CHECK_FALSE(ask(*log, by_target("doc:t"), 20).cursor.has_value());
  CHECK(ask(*log, by_target("doc:t"), 19).cursor.has_value());
}

TEST_CASE(
    "scenario 23: a search for text ends after a bounded number of records, says so, and goes on with its cursor") {
  const auto log = two_hundred();
  for (const Order order : {Order{OrderBy::kSeq, true}, Order{OrderBy::kSeq, false}, Order{OrderBy::kTime, true}}) {
    EventRequest request;
    request.filter = Filter{};
    request.filter->where.text = "xxx";
    request.order = order;
    request.limit = 7;
    request.text_scan_rows_max = 40;
    std::vector<uint64_t> all;
    uint64_t parts = 0, counted_last = 0;
    for (;;) {
      const EventPage page = good(log->engine().events(request));
      CHECK(page.total_is_lower_bound);
      CHECK_FALSE(page.coverage.complete);
      CHECK(page.scanned < 40 + 60);  // and the rest of a segment
      if (page.more_reason == "scan_limit") {
        ++parts;
        REQUIRE(page.notes.size() == 1);
        CHECK(page.notes[0].code == "SCAN_LIMIT");
      }
      for (const uint64_t seq : seqs(page)) all.push_back(seq);
      counted_last = page.total;
      if (!page.cursor) break;
      request.cursor = *page.cursor;
      request.filter.reset();
    }
    CHECK(parts >= 2);
    CHECK(counted_last == 200);
    std::vector<uint64_t> wanted = counted(0, 200);
    if (order.descending) std::reverse(wanted.begin(), wanted.end());
    CHECK(all == wanted);
  }
  // What an index answers is not bounded by it.
  EventRequest counted_whole;
  counted_whole.filter = by_target("doc:t");
  counted_whole.text_scan_rows_max = 1;
  const EventPage page = good(log->engine().events(counted_whole));
  CHECK(page.total == 20);
  CHECK_FALSE(page.total_is_lower_bound);
}

TEST_CASE("scenario 23: a cursor that is garbage, changed, another caller's or another question's is refused") {
  const auto log = two_hundred();
  EventRequest request;
  request.filter = Filter{};
  request.caller = "uid:1000";
  request.limit = 10;
  const std::string cursor = *good(log->engine().events(request)).cursor;
  const auto code = [&](const EventRequest& asked) {
    const auto answer = log->engine().events(asked);
    return answer.ok() ? std::string("ok") : answer.error().code;
  };
  request.cursor = cursor;
  CHECK(code(request) == "ok");
  for (const std::string& bad :
       {std::string("garbage"), std::string("a2."), cursor + "A", cursor.substr(0, cursor.size() - 1)}) {
    request.cursor = bad;
    CHECK(code(request) == "CURSOR_INVALID");
  }
  for (size_t i = 3; i < cursor.size(); i += 7) {
    request.cursor = cursor;
    request.cursor[i] = request.cursor[i] == 'A' ? 'B' : 'A';
    CHECK(code(request) == "CURSOR_INVALID");
  }
  request.cursor = cursor;
  request.order.descending = false;
  CHECK(code(request) == "CURSOR_MISMATCH");
  request.order.descending = true;
  request.filter->where.actions = {"PUT"};
  CHECK(code(request) == "CURSOR_MISMATCH");
  request.filter.reset();
  CHECK(code(request) == "ok");
  request.caller = "uid:1001";
  CHECK(code(request) == "CURSOR_MISMATCH");
  request.caller = "uid:1000";
  const auto stranger = log->other_engine(8)->events(request);
  REQUIRE(!stranger.ok());
  CHECK(stranger.error().code == "CURSOR_INVALID");
}

TEST_CASE("scenario 23: with the caller's own words given, a moved relative window is the same question") {
  const auto log = two_hundred();
  EventRequest request;
  request.filter = Filter{};
  request.filter->from = kStart + 10;
  request.given = "from=-1h";
  request.context = "tz=UTC";
  request.limit = 10;
  EventPage page = good(log->engine().events(request));
  request.cursor = *page.cursor;
  request.filter->from = kStart + 50;  // an hour before a later now
  page = good(log->engine().events(request));
  CHECK(page.applied.from == kStart + 10);
  CHECK(page.context == "tz=UTC");
  request.given = "from=-2h";
  const auto other = log->engine().events(request);
  REQUIRE(!other.ok());
  CHECK(other.error().code == "CURSOR_MISMATCH");
}

TEST_CASE("scenario 24: a snapshot sees what was there, a new one sees what was appended") {
  TestLog log;
  log.add(Spec{});
  const auto before = log.store().snapshot().value();
  log.add(Spec{});
  CHECK(before->size(TableId::kLogs) == 1);
  CHECK(log.store().snapshot().value()->size(TableId::kLogs) == 2);
  CHECK(ask(log, {}).total == 2);
}

TEST_CASE("scenario 24: a segment that is gone without a RETENTION is a finding in a marked answer, not PURGED") {
  const auto log = two_hundred();
  (void)ask(*log, {}, 1);  // files are open by now
  log->restart();
  log->disk().remove("root/logs/seg-0000000001.log");
  EventRequest request;
  request.filter = Filter{};
  const auto page = good(log->engine().events(request));
  CHECK(page.total_is_lower_bound);
  CHECK_FALSE(page.coverage.complete);
  REQUIRE(page.findings.size() == 1);
  CHECK(page.findings[0].code == "segment-missing");
  const uint64_t gone = page.findings[0].row.value;
  CHECK(page.total + page.findings[0].rows == 200);
  const auto detail = good(log->engine().event({gone}));
  CHECK_FALSE(detail.event);
  REQUIRE(detail.findings.size() == 1);
  CHECK(detail.findings[0].code == "segment-missing");
}
