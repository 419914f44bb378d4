// Tree files and HEAD that are cut, gone, or no files: evidence in every mode, and no reason not to report.
#include "tests/engine/verify/watch.h"

namespace khipu::tests {
namespace {

using verify::Verdict;

Result<void> nothing(const std::string&) { return {}; }

struct Modes {
  Modes() : log(30, kSegment) {
    all.resize(4);
    all[1].since = log.rig.verify().state;
    all[1].reread_blocks = 1000;
    all[2].sample = 1000;
    all[3].from_row = Row{0};
    for (verify::Options& mode : all) mode.seed = 1;
    REQUIRE(log.rig.life(3, kSegment).ok());
  }
  std::unique_ptr<FakeDisk> copy() { return log.rig.disk().clone(); }
  LiarLog log;
  std::vector<verify::Options> all;
};

TEST_CASE("ruined tree: cut, gone or something else than a file, it is a mismatch in every mode") {
  const std::string tree = "root/logs/tree/0";
  Modes modes;
  const std::vector<std::function<void(FakeDisk&)>> attacks = {
      [&](FakeDisk& disk) { disk.edit(tree, [](Buffer& bytes) { bytes.resize(bytes.size() / 2); }); },
      [&](FakeDisk& disk) { disk.edit(tree, [](Buffer& bytes) { bytes.clear(); }); },
      [&](FakeDisk& disk) { disk.remove(tree); },
      [&](FakeDisk& disk) {
        disk.remove(tree);
        disk.put_other(tree);
      }};
  for (size_t i = 0; i < attacks.size(); ++i) {
    for (const verify::Options& mode : modes.all) {
      CrashRig rig(modes.copy(), 7);
      attacks[i](rig.disk());
      const Result<verify::Report> report = verify_watched(rig.disk(), Watch{nothing}, mode);
      REQUIRE(report.ok());
      INFO(i << " " << report->scope << "\n" << describe(*report));
      CHECK(report->verdict == Verdict::kFail);
      CHECK(report->counts.contains("tile-mismatch"));
    }
  }
}

TEST_CASE("ruined tree: a file of it that the system would not give is not evidence, and no mode gives up") {
  Modes modes;
  for (const std::string what : {"folder logs/tree", "open logs/tree/0", "read logs/tree/0"}) {
    for (const verify::Options& mode : modes.all) {
      CrashRig rig(modes.copy(), 7);
      const Watch watch{[&](const std::string& operation) -> Result<void> {
        if (operation != what) return {};
        return Error{Code::kIo, operation + ": Input/output error"};
      }};
      const Result<verify::Report> report = verify_watched(rig.disk(), watch, mode);
      REQUIRE(report.ok());
      INFO(what << " " << report->scope << "\n" << describe(*report));
      CHECK(report->verdict == Verdict::kIncomplete);
    }
  }
}

TEST_CASE("ruined tree: HEAD that is no file is a finding in every mode") {
  Modes modes;
  for (const verify::Options& mode : modes.all) {
    CrashRig rig(modes.copy(), 7);
    rig.disk().remove("root/HEAD");
    rig.disk().put_other("root/HEAD");
    const Result<verify::Report> report = verify_watched(rig.disk(), Watch{nothing}, mode);
    REQUIRE(report.ok());
    INFO(report->scope << "\n" << describe(*report));
    CHECK(report->verdict == Verdict::kFail);
    CHECK(report->counts.contains("head-missing"));
  }
}

}  // namespace
}  // namespace khipu::tests
