// Re-derives everything a root claims from its files alone: the judge of crash tests and of auditors. Reads with pread
// only, through os::Directory; includes neither writer nor snapshot (I10); changes nothing and takes no lock but a
// reader slot, so it may run beside a writer (then it verifies up to the HEAD it read first) and beside retention.
#pragma once

#include <atomic>
#include <functional>

#include "engine/base/result.h"
#include "engine/os/clock.h"
#include "engine/os/file.h"
#include "engine/verify/report.h"

namespace khipu::verify {

struct Options {
  // The key the auditor holds. Without it the key that GENESIS names is used and the basis is self_consistent only.
  std::optional<std::array<uint8_t, 32>> key;
  // Checkpoints kept from earlier, as signed notes: the log must extend each.
  std::vector<std::string> against;
  // The same, taken from the log itself: they say nothing that the log does not.
  std::vector<std::string> own_checkpoints;
  // What an earlier run left (Report::state): only what is new is read, and some blocks of 256 old rows again.
  std::optional<State> since;
  // The state was kept by whoever runs this beside the log, and no auditor vouches for it: it saves reading, and is no
  // basis.
  bool since_is_own = false;
  uint64_t reread_blocks = 4;
  // Rows of logs/ drawn at random, so many, each against the signed root of the newest commit.
  std::optional<uint64_t> sample;
  std::optional<uint64_t> seed;  // of everything drawn; the system's randomness when absent, and in the report
  // Rows [from, to) of logs/ only, each against the signed root of the newest commit.
  std::optional<Row> from_row, to_row;
  size_t threads = 0;                // 0: one a core. The report does not depend on it
  std::optional<int64_t> budget_us;  // then the verdict is incomplete. Of each of two runs: see run()
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> progress;  // from any thread, one call at a time
  os::Clock* clock = nullptr;                                               // for the budget; the system's when null
};

// Checkpoint `number` of meta/ in checkpoints.log, from 1, or the newest: the signed note. kNotFound: there is none.
Result<std::string> published_checkpoint(os::Directory& root, std::optional<uint64_t> number);

// A verdict is a value, also when the root is in ruins. Errors: the root itself cannot be read, or was never made. What
// does not pass while a writer starts is read once more, as beside a writer; the second verdict stands.
Result<Report> run(os::Directory& root, const Options& options);

}  // namespace khipu::verify
