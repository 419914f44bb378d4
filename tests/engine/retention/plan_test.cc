// What may leave: limits, holds, the stepped clock, and random policies against a plan made one segment at a time.
#include "engine/retention/plan.h"

#include <fmt/format.h>

#include <random>

#include "tests/support/catch.h"

namespace khipu::retention {
namespace {

constexpr TimeUs kDay = 86400LL * 1000000;
constexpr TimeUs kNow = 1800000000000000;

// Segment i holds 10 rows recorded on day -(count - i), and takes 1,000 bytes; the last one is active.
Situation days(size_t count) {
  Situation situation;
  situation.now = kNow;
  for (size_t i = 0; i < count; ++i) {
    snapshot::SegmentInfo segment;
    segment.number = {i};
    segment.first_row = {10 * i};
    segment.rows = 10;
    segment.sealed = i + 1 < count;
    segment.file_size = segment.sealed ? 1000 : 0;
    segment.end_offset = segment.sealed ? 900 : 300;
    segment.recorded_first = kNow - static_cast<TimeUs>(count - i) * kDay;
    segment.recorded_last = segment.recorded_first + kDay / 2;
    segment.commit = {i + 2};
    if (segment.sealed) situation.anchor = segment.commit;
    situation.segments.push_back(segment);
  }
  return situation;
}

Policy age(uint64_t days) { return {days * 86400, std::nullopt}; }
Policy bytes(uint64_t bytes) { return {std::nullopt, bytes}; }

TEST_CASE("plan: no limit, nothing leaves") { CHECK(make_plan({}, days(9)).empty()); }

TEST_CASE("plan: by age whole segments leave, oldest first, when their newest row is strictly older") {
  Situation situation = days(10);  // segment i: newest row 10 - i days ago, less half a day
  Plan plan = make_plan(age(7), situation);
  REQUIRE(plan.going.size() == 3);  // 9.5, 8.5 and 7.5 days
  CHECK(plan.from() == Row{0});
  CHECK(plan.to() == Row{30});
  CHECK(plan.rows == 30);
  CHECK(plan.bytes == 3000);
  CHECK(plan.going.front().by_age);
  CHECK_FALSE(plan.going.front().by_bytes);
  CHECK(plan.kept_because.empty());
  situation.segments[2].recorded_last = kNow - 7 * kDay;  // as old as the limit: stays
  CHECK(make_plan(age(7), situation).going.size() == 2);
}

TEST_CASE("plan: by bytes the oldest leave until the table is within its budget") {
  const Situation situation = days(10);  // 9 x 1000 + 300
  CHECK(make_plan(bytes(9300), situation).empty());
  CHECK(make_plan(bytes(9299), situation).going.size() == 1);
  CHECK(make_plan(bytes(5300), situation).going.size() == 4);
  CHECK(make_plan(bytes(5300), situation).held_bytes == 9300);
  CHECK(make_plan(bytes(5299), situation).going.back().by_bytes);
}

TEST_CASE("plan: either limit triggers, and both reasons are told apart") {
  const Plan plan = make_plan({7ULL * 86400, 4300}, days(10));
  REQUIRE(plan.going.size() == 5);
  CHECK((plan.going[2].by_age && plan.going[2].by_bytes));
  CHECK((!plan.going[3].by_age && plan.going[3].by_bytes));
  CHECK(text(plan.policy) == "max-age 604800 s, max-bytes 4300");
}

TEST_CASE("plan: neither the active segment nor the newest sealed one of logs ever leaves") {
  const Plan plan = make_plan(bytes(1), days(10));
  CHECK(plan.going.size() == 8);
  REQUIRE(plan.kept_because.size() == 1);
  CHECK(plan.kept_because[0].find("recovery starts there") != std::string::npos);
  CHECK(make_plan(bytes(1), days(1)).empty());
}

TEST_CASE("plan: a segment of access leaves once a segment of logs was sealed behind it") {
  Situation situation = days(10);
  situation.table = TableId::kAccess;
  situation.anchor = CommitNumber{5};
  CHECK(make_plan(bytes(1), situation).going.size() == 4);  // sealed behind commits 2 to 5
  situation.anchor.reset();
  CHECK(make_plan(bytes(1), situation).empty());
}

TEST_CASE("plan: a hold forbids all retention of logs, and none of access") {
  Situation situation = days(10);
  situation.holds = {"case-7"};
  const Plan plan = make_plan({86400, 1}, situation);
  CHECK(plan.empty());
  REQUIRE(plan.kept_because.size() == 1);
  CHECK(plan.kept_because[0] == "hold \"case-7\" is set");
  situation.table = TableId::kAccess;
  CHECK_FALSE(make_plan({86400, 1}, situation).empty());
}

TEST_CASE("plan: a stepped clock suspends retention by age, not by bytes") {
  Situation situation = days(10);
  situation.clock_stepped = true;
  const Plan plan = make_plan(age(3), situation);
  CHECK(plan.empty());
  REQUIRE(plan.kept_because.size() == 1);
  CHECK(plan.kept_because[0].find("clock was stepped") != std::string::npos);
  CHECK(make_plan({3ULL * 86400, 8300}, situation).going.size() == 1);
}

TEST_CASE("plan: registry and meta are never purged") {
  for (const TableId table : {TableId::kMeta, TableId::kRegistry}) {
    Situation situation = days(10);
    situation.table = table;
    CHECK(make_plan({1, 1}, situation).empty());
  }
}

TEST_CASE("plan: segments without rows leave with rows behind them, never alone and never last") {
  Situation situation = days(5);
  for (size_t i : {0U, 1U}) {
    situation.segments[i].rows = 0;
    situation.segments[i].recorded_first = situation.segments[i].recorded_last = 0;
  }
  CHECK(make_plan(bytes(3300), situation).empty());  // one segment too many, and it holds no row
  CHECK(make_plan(bytes(1300), situation).going.size() == 3);
  situation = days(6);
  situation.segments[2].rows = 0;
  const Plan plan = make_plan(bytes(2300), situation);  // three segments too many, the last of them without a row
  CHECK(plan.going.size() == 2);
  CHECK(plan.bytes == 2000);
  CHECK(plan.to() == Row{20});
}

// The same rules, decided one segment at a time from the front.
size_t one_by_one(const Policy& policy, const Situation& situation) {
  uint64_t held = 0;
  for (const auto& segment : situation.segments) held += segment.sealed ? segment.file_size : segment.end_offset;
  bool age_goes_on = policy.max_age_s && !situation.clock_stepped;
  size_t count = 0;
  for (const auto& segment : situation.segments) {
    if (!segment.sealed || !situation.anchor || segment.commit >= *situation.anchor || !situation.holds.empty()) break;
    age_goes_on =
        age_goes_on && situation.now - segment.recorded_last > static_cast<TimeUs>(*policy.max_age_s) * 1000000;
    if (!age_goes_on && !(policy.max_bytes && held > *policy.max_bytes)) break;
    held -= segment.file_size;
    ++count;
  }
  return count;
}

TEST_CASE("plan: random policies over random tables agree with a plan made one segment at a time") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  for (int round = 0; round < 2000; ++round) {
    Situation situation = days(1 + below(12));
    TimeUs recorded = kNow - 20 * kDay;
    for (auto& segment : situation.segments) {
      segment.file_size = segment.sealed ? 1 + below(5000) : 0;
      segment.recorded_first = recorded;
      recorded += static_cast<TimeUs>(below(3 * kDay));
      segment.recorded_last = recorded;
      segment.time_max = INT64_MAX;  // a far-future occurred_at pins nothing
    }
    if (below(5) == 0) situation.holds = {"h"};
    if (below(5) == 0) situation.clock_stepped = true;
    Policy policy;
    if (below(4) != 0) policy.max_age_s = 1 + below(25 * 86400);
    if (below(4) != 0) policy.max_bytes = 1 + below(30000);
    const Plan plan = make_plan(policy, situation);
    REQUIRE(plan.going.size() == one_by_one(policy, situation));
    uint64_t next = 0, sum = 0;
    for (const Going& going : plan.going) {
      REQUIRE(going.segment.number.value == next++);
      REQUIRE(going.segment.sealed);
      REQUIRE((going.by_age || going.by_bytes));
      sum += going.segment.file_size;
    }
    REQUIRE(plan.bytes == sum);
    REQUIRE(plan.rows == 10 * plan.going.size());
  }
}

TEST_CASE("plan: ages and sizes are written with units, and nothing else is understood") {
  CHECK(parse_age("90").value() == 90);
  CHECK(parse_age("15m").value() == 900);
  CHECK(parse_age("30d").value() == 2592000);
  CHECK(parse_age("2w").value() == 1209600);
  CHECK(parse_bytes("4096").value() == 4096);
  CHECK(parse_bytes("16KiB").value() == 16384);
  CHECK(parse_bytes("2TiB").value() == 2ULL << 40);
  for (const char* bad : {"", "0", "-1", "+1", "1.5h", "1 d", "d", "1y", "1D", "99999999999999999999", "200000w"}) {
    INFO(bad);
    CHECK_FALSE(parse_age(bad).ok());
  }
  for (const char* bad : {"", "0", "1KB", "1kib", "9999999TiB", "1 GiB"}) CHECK_FALSE(parse_bytes(bad).ok());
}

}  // namespace
}  // namespace khipu::retention
