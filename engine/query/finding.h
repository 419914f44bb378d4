// Something wrong with the log, met while a question was answered.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/ids.h"

namespace khipu::query {

// A part of the answer, not an error; an error that may be its consequence carries it too.
struct Finding {
  std::string code;  // of engine/verify/report.h: "leaf-mismatch", "frame-corrupt", "pin-mismatch", ...
  TableId table = TableId::kLogs;
  Row row;
  uint64_t rows = 1;  // rows that cannot be read, from `row` on
  std::string where;  // "logs row 17, seg-0000000000.log offset 4096"; no record text
};

// A value whose key was destroyed on purpose: told like a finding, row by row, and nothing is wrong.
inline constexpr std::string_view kFieldShredded = "field-shredded";

}  // namespace khipu::query
