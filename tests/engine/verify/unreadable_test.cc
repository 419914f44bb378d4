// What the system would not give is not evidence: verification beside a running writer and beside retention, and with
// files that cannot be opened or read. Not here: real damage alone (attack_test.cc, liar_test.cc).
#include "tests/engine/verify/watch.h"

namespace khipu::tests {
namespace {

using verify::Verdict;

// The oldest two segments of logs/ let go; their files still there, or gone.
struct Retained : LiarLog {
  explicit Retained(bool gone) : LiarLog(30, kSegment) {
    before = rig.verify().state;
    sign_statements(rig, {retention_of(rig, TableId::kLogs, 0, 1)});
    if (gone) let_go();
  }
  void let_go() {
    for (const uint64_t number : {0, 1}) {
      if (rig.disk().exists(segment_file(TableId::kLogs, number))) {
        rig.disk().remove(segment_file(TableId::kLogs, number));
      }
    }
  }
  std::optional<verify::State> before;
};

TEST_CASE("verify beside a writer: what was published since HEAD was read is not looked for below it") {
  CrashRig rig;
  REQUIRE(rig.life(5).ok());
  CrashRig later(rig.disk().clone(), 7);
  later.remember(rig);
  REQUIRE(later.life(3).ok());
  const Buffer head = rig.disk().read("root/HEAD");
  {
    const Held held(rig.disk());
    Watch watch;
    watch.sees = [&](const std::string& operation) -> Result<void> {
      if (operation != "open checkpoint") return {};
      for (const char* name : {"root/HEAD", "root/checkpoints.log", "root/checkpoint"}) {
        rig.disk().put(name, later.disk().read(name));
      }
      return {};
    };
    const Result<verify::Report> report = verify_watched(rig.disk(), watch);
    REQUIRE(report.ok());
    INFO(describe(*report));
    CHECK(report->verdict == Verdict::kPass);
  }
  rig.disk().put("root/HEAD", head);
  const verify::Report alone = rig.verify();
  INFO(describe(alone));
  CHECK(alone.verdict == Verdict::kFail);
  CHECK(alone.counts.contains("head-inconsistent"));
}

TEST_CASE("verify beside retention: a segment that goes by policy while the run is on its way is passed over") {
  for (const std::string mode : {"full", "since", "sample", "range"}) {
    Retained log(false);
    verify::Options options;
    options.seed = 1;
    if (mode == "since") {
      options.since = log.before;
      options.reread_blocks = 1000;
    }
    if (mode == "sample") options.sample = 1000;
    if (mode == "range") options.from_row = Row{0};
    const Held held(log.rig.disk());
    Watch watch;
    watch.sees = [&](const std::string& operation) -> Result<void> {
      if (operation == "open logs/seg-0000000000.log") log.let_go();
      return {};
    };
    const Result<verify::Report> report = verify_watched(log.rig.disk(), watch, options);
    REQUIRE(report.ok());
    INFO(mode << "\n" << describe(*report));
    CHECK_FALSE(log.rig.disk().exists(segment_file(TableId::kLogs, 0)));
    CHECK(report->verdict == (mode == "range" ? Verdict::kIncomplete : Verdict::kPass));
  }
}

TEST_CASE("verify: a HEAD with a huge segment number is one finding, and costs nothing") {
  for (const uint64_t number : {uint64_t{1} << 40, UINT64_MAX}) {
    LiarLog log(30, kSegment);
    segment::Head head = log.head();
    head.tables[index_of(TableId::kLogs)].segment = SegmentNumber{number};
    put_head(log.rig.disk(), head);
    const verify::Report report = log.rig.verify();
    INFO(describe(report));
    CHECK(report.verdict == Verdict::kFail);
    CHECK(report.counts.at("segment-missing") <= 2);
  }
}

TEST_CASE("verify: a HEAD with a huge first row of the active segment costs nothing") {
  for (const size_t events : {0, 30}) {
    LiarLog log(events);
    segment::Head head = log.head();
    for (segment::HeadTable& table : head.tables) table.segment_first_row = Row{UINT64_MAX};
    put_head(log.rig.disk(), head);
    const verify::Report report = log.rig.verify();
    INFO(describe(report));
    CHECK(report.verdict == Verdict::kFail);
  }
}

// Refuses operation n, or all that `all` says yes to.
struct Refusal {
  uint64_t n = 0, seen = 0;
  Code code = Code::kIo;
  std::function<bool(const std::string&)> all;
  std::string refused;
  Watch watch{[this](const std::string& operation) -> Result<void> {
    if (all ? !all(operation) : ++seen != n) return {};
    refused = operation;
    return Error{code, operation + ": Too many open files"};
  }};
};

TEST_CASE("verify: bytes set aside are read within the run's time, and of another size not at all") {
  CrashRig rig;
  REQUIRE(rig.life(4).ok());
  rig.disk().edit(segment_file(TableId::kLogs, 0), [](Buffer& bytes) { bytes.insert(bytes.end(), {9, 9, 9, 9, 9}); });
  REQUIRE(rig.life(1).ok());
  std::string path;
  for (const std::string& name : rig.disk().files()) {
    if (name.starts_with("root/quarantine/")) path = name;
  }
  REQUIRE(!path.empty());
  int read = 0;
  std::atomic<bool> cancelled = false;
  Watch watch;
  watch.sees = [&](const std::string& operation) -> Result<void> {
    if (operation.starts_with("read quarantine/")) ++read;
    if (operation.starts_with("open quarantine/")) cancelled = true;
    return {};
  };
  verify::Options options;
  options.cancelled = &cancelled;
  const Result<verify::Report> stopped = verify_watched(rig.disk(), watch, options);
  REQUIRE(stopped.ok());
  CHECK(stopped->verdict == Verdict::kIncomplete);
  CHECK(read == 0);
  rig.disk().edit(path, [](Buffer& bytes) { bytes.resize(3 << 20); });
  const Result<verify::Report> longer = verify_watched(rig.disk(), watch);
  REQUIRE(longer.ok());
  CHECK(longer->verdict == Verdict::kFail);
  CHECK(longer->first_break->code == "file-unaccounted");
  CHECK(read == 0);
}

TEST_CASE("verify: where nothing is known of any commit, the page states none") {
  LiarLog log;
  Watch watch;
  watch.sees = [&](const std::string& operation) -> Result<void> {
    if (operation != "open meta/seg-0000000000.log") return {};
    return Error{Code::kIo, operation + ": Input/output error"};
  };
  const Result<verify::Report> report = verify_watched(log.rig.disk(), watch);
  REQUIRE(report.ok());
  CHECK(report->verdict == Verdict::kIncomplete);
  const std::string page = verify::to_page(*report);
  INFO(page);
  CHECK(page.find("1970") == std::string::npos);
  CHECK(page.find("commit 0") == std::string::npos);
  CHECK(page.find("AAAAAAAA") == std::string::npos);
}

TEST_CASE("verify: whatever cannot be opened or read once, nothing is found, and the verdict says it is incomplete") {
  Retained log(true);
  for (const bool since : {false, true}) {
    verify::Options options;
    options.seed = 1;
    if (since) options.since = log.before;
    for (uint64_t n = 1;; ++n) {
      Refusal refusal;
      refusal.n = n;
      refusal.code = n % 2 == 0 ? Code::kIo : Code::kForbidden;
      const Result<verify::Report> report = verify_watched(log.rig.disk(), refusal.watch, options);
      if (refusal.refused.empty()) break;
      if (!report.ok()) continue;
      INFO(n << ": " << refusal.refused << "\n" << describe(*report));
      CHECK(report->verdict != Verdict::kFail);
    }
  }
}

TEST_CASE("verify: what stays closed for good is not evidence, and damage elsewhere is") {
  const auto under = [](const std::string& path) {
    return [path](const std::string& operation) { return operation.find(" " + path) != std::string::npos; };
  };
  for (const std::string path :
       {"meta/manifest", "checkpoints.log", "registry", "registry/seg-", "registry/manifest", "access", "logs/manifest",
        "logs/seg-0000000002", "logs/tree", "quarantine", "meta/tree", "registry/tree"}) {
    for (const bool damaged : {false, true}) {
      Retained log(true);
      const std::string victim =
          path.starts_with("logs") ? "root/registry/seg-0000000000.log" : segment_file(TableId::kLogs, 3);
      if (damaged) log.rig.disk().flip_bit(victim, 200);
      Refusal refusal;
      refusal.all = under(path);
      const Result<verify::Report> report = verify_watched(log.rig.disk(), refusal.watch);
      REQUIRE(report.ok());
      INFO(path << (damaged ? " damaged" : "") << "\n" << describe(*report));
      REQUIRE(!refusal.refused.empty());
      CHECK(report->verdict == (damaged ? Verdict::kFail : Verdict::kIncomplete));
      CHECK_FALSE(report->not_checked.empty());
    }
  }
}

}  // namespace
}  // namespace khipu::tests
