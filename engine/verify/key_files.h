// The files in keys/ against the KEY and SHRED statements: what was committed is there unchanged, what is gone was
// shredded by a statement. No key is needed for that and none is opened.
#pragma once

#include "engine/codec/statement.h"
#include "engine/os/file.h"
#include "engine/verify/report.h"

namespace khipu::verify {

struct KeyFiles {
  uint64_t compared = 0;
  // Gone by a statement that was committed while the run read: nobody checked that statement, so it acquits nobody. It
  // only says that this run cannot judge.
  std::vector<std::string> undecided;
};
// Of the statements below the line.
Result<KeyFiles> check_key_files(os::Directory& root, const std::vector<codec::StatementRecord>& statements,
                                 uint64_t committed, Findings& findings);

}  // namespace khipu::verify
