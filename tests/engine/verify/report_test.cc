// The report itself: the same whatever the threads, honest about what it did not do, and free of record text.
#include <nlohmann/json.hpp>

#include "engine/verify/frontier.h"
#include "tests/engine/verify/forge.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

TEST_CASE("verify: the frontier's roots are the tree's, appended leaf by leaf or in subtrees") {
  std::vector<Hash> leaves;
  verify::Frontier frontier, by_tiles;
  tree::Builder builder;
  std::vector<std::pair<uint64_t, Hash>> completed;
  const auto none = [](size_t, uint64_t, const Hash&) {};
  for (uint64_t n = 0; n < 1100; ++n) {
    CHECK(frontier.root() == builder.root());
    Hash leaf{};
    store_le(leaf.data(), n);
    leaves.push_back(leaf);
    builder.append(leaf);
    frontier.append(leaf, 0, [&](size_t level, uint64_t index, const Hash& root) {
      CHECK(level == 1);
      completed.emplace_back(index, root);
    });
    if (leaves.size() % 256 == 0) {
      const Hash tile = tree::root_of(std::span(leaves).last(256));
      CHECK(completed.back() == std::pair(leaves.size() / 256 - 1, tile));
      by_tiles.append(tile, 8, none);
      CHECK(by_tiles.root() == frontier.root());
    }
  }
  CHECK(completed.size() == 4);
}

TEST_CASE("verify: the frontier's roots and tiles are the tree's, appended in runs of any length within a tile") {
  using Told = std::vector<std::tuple<size_t, uint64_t, Hash>>;
  for (const uint64_t step : {1, 2, 3, 7, 31, 128, 255, 256}) {
    verify::Frontier one_by_one, by_runs;
    Told expected, got;
    const auto tell = [](Told& to) {
      return [&to](size_t level, uint64_t index, const Hash& root) { to.emplace_back(level, index, root); };
    };
    for (uint64_t next = 0; next < (step == 128 ? 66000U : 2000U);) {  // once beyond the first subtree of 256 tiles
      std::vector<Hash> leaves(std::min(step, 256 - next % 256));
      for (Hash& leaf : leaves) {
        store_le(leaf.data(), next++);
        one_by_one.append(leaf, 0, tell(expected));
      }
      by_runs.append_run(leaves, tell(got));
      CHECK(by_runs.size() == next);
      CHECK(by_runs.root() == one_by_one.root());
    }
    CHECK(got == expected);
    CHECK_FALSE(got.empty());
  }
}

TEST_CASE("verify: the report does not depend on the number of threads") {
  CrashRig rig;
  REQUIRE(rig.life(30, 2500).ok());
  rewrite_row(rig.disk(), TableId::kLogs, 1, 0);
  rewrite_row(rig.disk(), TableId::kLogs, 3, 1);
  rig.disk().flip_bit(segment_file(TableId::kLogs, 2), 100);
  rig.disk().remove(segment_file(TableId::kLogs, 4));
  verify::Options options;
  options.threads = 1;
  const std::string one = verify::to_json(rig.verify(options));
  for (const size_t threads : {2, 3, 8}) {
    options.threads = threads;
    CHECK(verify::to_json(rig.verify(options)) == one);
  }
}

TEST_CASE("verify: a budget of nothing and a cancellation are incomplete, never a pass") {
  CrashRig rig;
  REQUIRE(rig.life(10).ok());
  verify::Options options;
  options.budget_us = 0;
  const verify::Report report = rig.verify(options);
  CHECK(report.verdict == verify::Verdict::kIncomplete);
  CHECK(report.basis.empty());
  std::atomic<bool> cancelled = true;
  verify::Options other;
  other.cancelled = &cancelled;
  CHECK(rig.verify(other).verdict == verify::Verdict::kIncomplete);
}

TEST_CASE("verify: what cannot be read makes the verdict incomplete") {
  CrashRig rig;
  REQUIRE(rig.life(10).ok());
  rig.disk().remove("root/logs/tree/0");
  rig.disk().put_other("root/logs/tree/0");
  const verify::Report report = rig.verify();
  INFO(describe(report));
  CHECK(report.verdict != verify::Verdict::kPass);
}

TEST_CASE("verify: beside a running writer it checks up to HEAD and says so") {
  CrashRig rig;
  auto writer = rig.open(3000);
  REQUIRE(writer.ok());
  for (int i = 0; i < 12; ++i) {
    REQUIRE(rig.submit(**writer, "live-" + std::to_string(i)).ok());
    const verify::Report report = rig.verify();
    INFO(describe(report));
    REQUIRE(report.verdict == verify::Verdict::kPass);
    CHECK(report.sizes[index_of(TableId::kLogs)] == static_cast<uint64_t>(i) + 1);
  }
}

TEST_CASE("verify: a range is checked row by row to the signed root, and only the range") {
  CrashRig rig;
  REQUIRE(rig.life(20, 3000).ok());
  verify::Options options;
  options.from_row = Row{5};
  options.to_row = Row{9};
  const verify::Report good = rig.verify(options);
  INFO(describe(good));
  CHECK(good.verdict == verify::Verdict::kPass);
  CHECK(good.scope == "range");
  CHECK(good.checked.records == 4);
  const uint64_t in_first = rows_of(rig.disk(), segment_file(TableId::kLogs, 0)).size();
  REQUIRE(in_first < 9);
  rewrite_row(rig.disk(), TableId::kLogs, 1, 6 > in_first ? 6 - in_first : 0);
  const verify::Report bad = rig.verify(options);
  INFO(describe(bad));
  REQUIRE(bad.verdict == verify::Verdict::kFail);
  CHECK(bad.first_break->code == "leaf-mismatch");
  options.from_row = Row{0};
  options.to_row = Row{1};
  CHECK(rig.verify(options).verdict == verify::Verdict::kPass);
}

TEST_CASE("verify: a range of no rows is looked at without a finding, wherever it lies") {
  for (const size_t events : {0, 20}) {
    CrashRig rig;
    REQUIRE(rig.life(events, 3000).ok());
    for (const uint64_t row : {size_t{0}, events / 2, events}) {
      for (const bool open_end : {false, true}) {
        if (open_end && row != events) continue;
        verify::Options options;
        options.from_row = Row{row};
        if (!open_end) options.to_row = Row{row};
        const verify::Report report = rig.verify(options);
        INFO(row << " of " << events << "\n" << describe(report));
        CHECK(report.verdict == verify::Verdict::kPass);
        CHECK(report.checked.records == 0);
      }
    }
  }
}

TEST_CASE("verify: the JSON parses, and neither form carries record text or hostile names") {
  CrashRig rig;
  REQUIRE(rig.life(5).ok());
  rig.disk().put("root/\x1b[31m<b>\"x\"", as_bytes("x"));
  rewrite_row(rig.disk(), TableId::kLogs, 0, 2);
  const verify::Report report = rig.verify();
  const std::string json = verify::to_json(report);
  const auto parsed = nlohmann::json::parse(json);
  CHECK(parsed["schema"] == "khipu.verify/v1");
  CHECK(parsed["verdict"] == "fail");
  CHECK(parsed["first_break"]["code"] == "leaf-mismatch");
  CHECK(parsed["first_break"]["row"] == 2);
  CHECK(parsed["does_not_show"].size() >= 3);
  for (const std::string& text : {json, verify::to_page(report)}) {
    CHECK(text.find("content of") == std::string::npos);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("<b>") == std::string::npos);
  }
}

TEST_CASE("verify: bytes that recovery set aside are compared with the RECOVERY statement (P10)") {
  CrashRig rig;
  REQUIRE(rig.life(4).ok());
  // Half a frame on the end of the active segment (REFERENCE section 5 #14).
  rig.disk().edit(segment_file(TableId::kLogs, 0), [](Buffer& bytes) { bytes.insert(bytes.end(), {9, 9, 9, 9, 9}); });
  const verify::Report before = rig.verify();
  INFO(describe(before));
  CHECK(before.verdict == verify::Verdict::kPass);
  CHECK(before.counts.contains("unacknowledged-tail"));
  REQUIRE(rig.life(1).ok());
  CHECK(rig.judge() == "");
  CHECK(rig.verify().checked.quarantine_files == 1);
  // Set aside, and then the machine lost power in front of the statement: no alarm, but told; the next start names it.
  rig.disk().put("root/quarantine/000001-logs-seg-0000000000.log-4096.bin", Buffer{9, 9, 9});
  const verify::Report unnamed = rig.verify();
  INFO(describe(unnamed));
  CHECK(unnamed.verdict == verify::Verdict::kPass);
  CHECK(unnamed.checked.quarantine_files == 1);
  CHECK(describe(unnamed).find("no RECOVERY statement names it yet") != std::string::npos);
  REQUIRE(rig.life(1).ok());
  const verify::Report named = rig.verify();
  CHECK(named.checked.quarantine_files == 2);
  CHECK_FALSE(named.counts.contains("file-unaccounted"));
  for (const std::string& path : rig.disk().files()) {
    if (path.starts_with("root/quarantine/")) rig.disk().flip_bit(path, 0);
  }
  CHECK(rig.verify().verdict == verify::Verdict::kFail);
}

}  // namespace
}  // namespace khipu::tests
