// Folders whose files statements account for: quarantine/ and keys/.
#include <fmt/format.h>

#include "engine/verify/key_files.h"
#include "engine/verify/run.h"

namespace khipu::verify {

void check_accounted(Run& run, const std::vector<codec::StatementRecord>& statements, uint64_t committed) {
  const Result<uint64_t> quarantine = check_quarantine(run.root, statements, run.findings, run.control);
  if (quarantine.ok()) {
    run.report.checked.quarantine_files = *quarantine;
    if (run.control.stopped()) {
      run.incomplete = true;
      run.report.not_checked.emplace_back("the rest of quarantine/: cancelled or out of time");
    }
  } else {
    run.unreadable(quarantine.error());
  }
  const Result<KeyFiles> keys = check_key_files(run.root, statements, committed, run.findings);
  if (keys.ok()) {
    run.report.checked.key_files = keys->compared;
    if (!keys->undecided.empty()) {
      run.incomplete = true;
      run.report.not_checked.push_back(fmt::format(
          "{} and {} more: replaced or shredded, by a statement newer than this run's commit, while it read; run it "
          "again",
          keys->undecided.front(), keys->undecided.size() - 1));
    }
  } else {
    run.unreadable(keys.error());
  }
}

}  // namespace khipu::verify
