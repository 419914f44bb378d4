// One life cut short by one fault, and the life after it: what every suite that goes through the operations of
// something asks for. Assertions are Catch2's. Not here: what a life does, and what its suite wants beyond that.
#pragma once

#include "tests/crash/harness.h"
#include "tests/support/catch.h"
#include "tests/support/thorough.h"

namespace khipu::tests {

enum class Fault { kIo, kNoSpace, kCrashAfter, kCrashIn };

inline void plan(FakeDisk& disk, Fault fault, uint64_t n) {
  switch (fault) {
    case Fault::kIo: return disk.fail_nth(n, Code::kIo);
    case Fault::kNoSpace: return disk.fail_nth(n, Code::kNoSpace, Part::kHalf);
    case Fault::kCrashAfter: return disk.crash_after_nth(n);
    case Fault::kCrashIn: return disk.crash_in_nth(n);
  }
}

struct Cut {
  Fault fault = Fault::kIo;
  bool power_lost = false;  // afterwards, else the process alone is gone
  uint64_t operation = 0, operations = 0;
};

// Cuts at each operation from `from` on in turn; under sanitizers at every fourth, which four kinds of faults share
// out.
template <typename Outlived>
void each_cut(Fault fault, bool power_lost, uint64_t from, uint64_t operations, const Outlived& outlived) {
  const uint64_t step = stride(4);
  const uint64_t offset = (static_cast<uint64_t>(fault) + (power_lost ? 2 : 0)) % step;
  for (uint64_t n = from + offset; n <= operations; n += step) outlived(Cut{fault, power_lost, n, operations});
}

// Lives `first` with the fault; verify passes on what it leaves; lives `again`, which must go well; then judge().
template <typename First, typename Again, typename Judge>
void outlive(CrashRig& rig, const Cut& cut, const First& first, const Again& again, const Judge& judge) {
  plan(rig.disk(), cut.fault, cut.operation);
  const Result<void> lived = first();
  if (cut.power_lost) {
    rig.disk().power_loss(cut.operation);
  } else {
    rig.disk().crash_process();
  }
  INFO("operation " << cut.operation << " of " << cut.operations << ": "
                    << (lived.ok() ? "survived" : lived.error().message));
  const verify::Report before = rig.verify();
  INFO("before recovery: " << describe(before));
  REQUIRE(before.verdict == verify::Verdict::kPass);
  const Result<void> reopened = again();
  INFO((reopened.ok() ? "reopened" : reopened.error().message));
  REQUIRE(reopened.ok());
  judge();
}

}  // namespace khipu::tests
