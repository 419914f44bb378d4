// A log for liar_test.cc and liar_files_test.cc to lie about, and how a lie is told from all others: by the words of
// the one check that stands against it.
#pragma once

#include "engine/segment/reader.h"
#include "tests/engine/verify/sign.h"
#include "tests/support/catch.h"

namespace khipu::tests {

inline constexpr uint64_t kSegment = 3000;

// One segment a table, so that a lie may go anywhere.
struct LiarLog {
  explicit LiarLog(size_t events = 30, uint64_t segment_size = 1 << 20) {
    REQUIRE(rig.life(events, segment_size).ok());
  }
  // Fails, with this sentence among the findings, of this code.
  void told(std::string_view code, std::string_view sentence, verify::Options options = {}) {
    const verify::Report report = rig.verify(std::move(options));
    INFO(describe(report));
    CHECK(report.verdict == verify::Verdict::kFail);
    CHECK(std::any_of(report.findings.begin(), report.findings.end(), [&](const verify::Finding& finding) {
      return finding.code == code && !finding.information && finding.detail.find(sentence) != std::string::npos;
    }));
  }
  verify::Options since() {
    verify::Options options;
    options.since = rig.verify().state;
    REQUIRE(options.since.has_value());
    options.seed = 1;
    return options;
  }
  segment::Head head() { return *segment::newest(segment::read_head(*rig.disk().directory("root")).value()); }
  CrashRig rig;
};

}  // namespace khipu::tests
