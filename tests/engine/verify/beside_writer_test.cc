// Verification beside a writer: one that runs, one that starts or ends while the files are read, and whoever pretends
// to be one.
#include "tests/engine/verify/watch.h"

namespace khipu::tests {
namespace {

using verify::Verdict;

std::vector<verify::Options> all_modes(const std::optional<verify::State>& since) {
  std::vector<verify::Options> modes(4);
  modes[1].since = since;
  modes[2].sample = 1000;
  modes[3].from_row = Row{0};
  for (verify::Options& mode : modes) mode.seed = 1;
  return modes;
}
bool of_rows(const verify::Options& mode) { return mode.sample || mode.from_row; }

bool has(const verify::Report& report, std::string_view code, bool information) {
  return std::any_of(report.findings.begin(), report.findings.end(), [&](const verify::Finding& finding) {
    return finding.code == code && finding.information == information;
  });
}

// Several publications, and HEAD as it was after the first of them.
struct LongLog {
  LongLog() {
    REQUIRE(rig.life(5, kSegment).ok());
    state = rig.verify().state;
    head = rig.disk().read("root/HEAD");
    older = rig.disk().clone();
    for (int i = 0; i < 6; ++i) REQUIRE(rig.life(3, kSegment).ok());
  }
  void put_head_back() { rig.disk().put("root/HEAD", head); }
  CrashRig rig;
  std::optional<verify::State> state;
  Buffer head;
  std::unique_ptr<FakeDisk> older;
};

TEST_CASE("beside a writer: HEAD put back is found by the checkpoints that were published since") {
  LongLog log;
  log.put_head_back();
  for (const verify::Options& mode : all_modes(log.state)) {
    {
      const Held held(log.rig.disk());
      const verify::Report report = log.rig.verify(mode);
      INFO(report.scope << "\n" << describe(report));
      CHECK(report.verdict == Verdict::kFail);
      CHECK(has(report, "rollback", false));
    }
    // A power loss leaves the same: nothing is lost by it, but readers see less than there is.
    const verify::Report alone = log.rig.verify(mode);
    INFO(alone.scope << "\n" << describe(alone));
    CHECK(alone.verdict == (of_rows(mode) ? Verdict::kIncomplete : Verdict::kPass));
    CHECK(has(alone, "head-inconsistent", true));
  }
}

TEST_CASE("beside a writer: a log that is shorter than its checkpoints is found, whoever holds its locks") {
  LongLog log;
  for (const char* name : {"root/checkpoints.log", "root/checkpoint"}) log.older->put(name, log.rig.disk().read(name));
  CrashRig cut(std::move(log.older), 7);
  for (const verify::Options& mode : all_modes(log.state)) {
    {
      const Held held(cut.disk());
      CHECK(has(cut.verify(mode), "rollback", false));
    }
    const auto root = cut.disk().directory("root");
    const auto lock = os::RootLock::acquire(*root, "nobody", 1);
    const verify::Report report = cut.verify(mode);
    INFO(report.scope << "\n" << describe(report));
    CHECK(report.verdict != Verdict::kPass);
    CHECK((of_rows(mode) || has(report, "rollback", false)));
  }
}

TEST_CASE("beside a writer: checkpoints.log that is gone or cut is found") {
  LongLog log;
  const Held held(log.rig.disk());
  const std::string text(as_text(log.rig.disk().read("root/checkpoints.log")));
  log.rig.disk().put("root/checkpoints.log", as_bytes(std::string_view(text).substr(0, text.size() / 3)));
  CHECK(log.rig.verify().verdict == Verdict::kFail);
  log.rig.disk().remove("root/checkpoints.log");
  log.rig.disk().remove("root/checkpoint");
  const verify::Report report = log.rig.verify();
  INFO(describe(report));
  CHECK(report.verdict == Verdict::kFail);
  CHECK(has(report, "head-missing", false));
}

// Calls `does` before the operation of this number.
struct Meanwhile {
  Meanwhile(uint64_t number, std::function<void()> what) : n(number), does(std::move(what)) {}
  uint64_t n, seen = 0;
  std::function<void()> does;
  Watch watch{[this](const std::string& operation) -> Result<void> {
    if (++seen != n) return {};
    at = operation;
    does();
    return {};
  }};
  std::string at;
};

TEST_CASE("beside a writer: one that starts while the log is read is not taken for damage, whenever it starts") {
  LongLog log;
  for (const bool ends : {true, false}) {
    for (const verify::Options& mode : all_modes(log.state)) {
      for (uint64_t n = 1;; n += 3) {
        CrashRig rig(log.rig.disk().clone(), 7);
        rig.remember(log.rig);
        // A torn end, which the writer sets aside.
        rig.disk().edit("root/checkpoints.log",
                        [](Buffer& bytes) { append(bytes, as_bytes("example.org/crash\n12")); });
        std::unique_ptr<writer::Writer> writer;
        Meanwhile meanwhile(n, [&] {
          if (ends) {
            REQUIRE(rig.life(8, kSegment).ok());
            return;
          }
          writer = std::move(rig.open(kSegment).value());
          for (int i = 0; i < 8; ++i) REQUIRE(rig.submit(*writer, "new-" + std::to_string(i)).ok());
          REQUIRE(writer->publish().ok());
        });
        const Result<verify::Report> report = verify_watched(rig.disk(), meanwhile.watch, mode);
        if (meanwhile.at.empty()) break;
        REQUIRE(report.ok());
        INFO(n << ": " << meanwhile.at << "\n" << describe(*report));
        CHECK(report->verdict == Verdict::kPass);
      }
    }
  }
}

TEST_CASE("beside a writer: whoever changes HEAD or holds its locks meanwhile hides no damage") {
  LongLog log;
  rewrite_row(log.rig.disk(), TableId::kLogs, 0, 1);
  const Buffer newest = log.rig.disk().read("root/HEAD");
  for (const verify::Options& mode : all_modes(std::nullopt)) {
    for (uint64_t n = 1;; n += 5) {
      CrashRig rig(log.rig.disk().clone(), 7);
      std::optional<Held> held;
      Meanwhile meanwhile(n, [&] {
        if (n % 2 == 0) held.emplace(rig.disk());
        rig.disk().put("root/HEAD", log.head);
      });
      const Result<verify::Report> report = verify_watched(rig.disk(), meanwhile.watch, mode);
      if (meanwhile.at.empty()) break;
      REQUIRE(report.ok());
      INFO(n << ": " << meanwhile.at << "\n" << describe(*report));
      CHECK(report->verdict == Verdict::kFail);
    }
  }
}

TEST_CASE("beside retention: a segment that goes before its RETENTION was read makes the run incomplete") {
  for (const std::string mode : {"full", "since", "sample", "range"}) {
    LiarLog log(30, kSegment);
    verify::Options options;
    options.seed = 1;
    if (mode == "since") {
      options.since = log.rig.verify().state;
      REQUIRE(log.rig.life(3, kSegment).ok());
      options.reread_blocks = 1000;
    }
    if (mode == "sample") options.sample = 1000;
    if (mode == "range") options.from_row = Row{0};
    const auto verified = [&](bool signs) {
      CrashRig rig(log.rig.disk().clone(), 7);
      const Held held(rig.disk());
      bool done = false;
      Watch watch;
      watch.sees = [&](const std::string& operation) -> Result<void> {
        if (done || operation != "open logs/seg-0000000000.log") return {};
        done = true;
        if (signs) sign_statements(rig, {retention_of(rig, TableId::kLogs, 0, 1)});
        for (const uint64_t number : {0, 1}) rig.disk().remove(segment_file(TableId::kLogs, number));
        return {};
      };
      return verify_watched(rig.disk(), watch, options);
    };
    const Result<verify::Report> report = verified(true);
    REQUIRE(report.ok());
    INFO(mode << "\n" << describe(*report));
    CHECK(report->verdict == Verdict::kIncomplete);
    CHECK(std::any_of(report->not_checked.begin(), report->not_checked.end(),
                      [](const std::string& text) { return text.find("run it again") != std::string::npos; }));
    const Result<verify::Report> stolen = verified(false);
    REQUIRE(stolen.ok());
    INFO("no statement: " << mode << "\n" << describe(*stolen));
    CHECK(stolen->verdict == Verdict::kFail);
    if (mode == "full" || mode == "range") CHECK(has(*stolen, "segment-missing", false));
  }
}

}  // namespace
}  // namespace khipu::tests
