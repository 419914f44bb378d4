// The state of one run, shared by the full and the range mode. Internal to this room.
#pragma once

#include "engine/verify/chain.h"
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
  bool incomplete = false;
  void unreadable(const Error& error) {
    report.not_checked.push_back(clean(error.message));
    incomplete = true;
  }
};

Result<void> run_full(Run& run);
Result<void> run_range(Run& run);
std::string with_commas(uint64_t number);

}  // namespace khipu::verify
