// The state of one run, shared by the full and the range mode. Internal to this room.
#pragma once

#include "engine/verify/chain.h"
#include "engine/verify/heads.h"
#include "engine/verify/meta.h"
#include "engine/verify/verify.h"

namespace khipu::verify {

// What both modes know before they look at a row.
struct Run {
  os::Directory& root;
  const Options& options;
  Control& control;
  Findings findings;
  HeadState head;
  std::optional<codec::Genesis> genesis;
  CommitKey key;
  Report report;
  std::vector<OutsideHead> heads;  // what the caller kept
  bool incomplete = false;
  Crew crew;
  void unreadable(const Error& error) {
    report.not_checked.push_back(clean(error.message));
    incomplete = true;
  }
};

size_t threads_of(const Options& options);
Result<void> run_full(Run& run);
// What it does, in full or `since` a state. False: the log does not go on from the state; nothing was read.
Result<bool> read_all(Run& run, const State* since);
// Some rows of logs/ against the newest commit: options.from_row and to_row, or options.sample.
Result<void> run_rows(Run& run);
// Holds a table of the newest commit against the heads kept outside; `root_at` where the walk knows it.
Result<void> check_heads(Run& run, TableId table, os::Directory* directory, const codec::TableState& now,
                         const std::function<std::optional<Hash>(uint64_t)>& root_at);
// What is in quarantine/ and keys/, against the statements about it.
void check_accounted(Run& run, const std::vector<codec::StatementRecord>& statements, uint64_t committed);
void conclude(Run& run);
std::string with_commas(uint64_t number);

}  // namespace khipu::verify
