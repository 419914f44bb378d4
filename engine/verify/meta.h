// What meta/ says, as far as a verification needs it: GENESIS, the types, the quarantine files that recovery named.
#pragma once

#include <functional>

#include "engine/codec/statement.h"
#include "engine/os/file.h"
#include "engine/verify/control.h"
#include "engine/verify/report.h"
#include "engine/verify/segment_check.h"

namespace khipu::verify {

// GENESIS, read before anything else: whose key signs. nullopt (with a finding) when it is not there.
Result<std::optional<codec::Genesis>> read_genesis(os::Directory& root, Findings& findings);
// The key commits are checked with, and whether it is the one the caller pinned.
CommitKey commit_key(const codec::Genesis& genesis);

// Order and meaning of the statements below the line: one GENESIS, first; known types.
void check_statements(const std::vector<codec::StatementRecord>& statements, uint64_t committed, Findings& findings);
std::vector<std::string> defined_types(const std::vector<codec::StatementRecord>& statements);
// The statements that HEAD has come to cover behind the first `committed` rows of meta/, as their frames' checksums
// have them: no signature is looked at. It ends where one cannot be read, or `take` says no.
Result<void> each_statement_since(os::Directory& root, uint64_t committed,
                                  const std::function<bool(const codec::StatementRecord&)>& take);
// Bytes that recovery set aside are still there, as its statements say (P10). Returns how many files were compared.
Result<uint64_t> check_quarantine(os::Directory& root, const std::vector<codec::StatementRecord>& statements,
                                  Findings& findings, Control& control);

}  // namespace khipu::verify
