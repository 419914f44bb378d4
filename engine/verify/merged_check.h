// Merged files of logs/ and registry/: each held against its INDEX statement and against one made anew of the indexes
// it is made of, which index_check.h has held against the rows; where one of these is not there, it is made of the
// rows.
#pragma once

#include "engine/verify/index_check.h"

namespace khipu::verify {

// As check_indexes(), which calls it. What retention has reached counts no more.
Result<void> check_merged(const TablePlan& table, const std::vector<codec::StatementRecord>& statements,
                          const IndexScope& scope, Findings& findings, const Control& control);

}  // namespace khipu::verify
