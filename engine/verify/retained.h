// What RETENTION statements let go, and what is gone: rows whose payload is missing are explained by a covering
// statement or by nothing. Internal to this room.
#pragma once

#include "engine/codec/statement.h"
#include "engine/verify/files.h"

namespace khipu::verify {

struct LetGo {
  uint64_t meta_row = 0;  // of the statement
  codec::Retention statement;
};

// The RETENTION statements of meta/ in order, as far as they may stand: each goes on where the one before ended, names
// what the manifest says of its segments, is of logs/ or access/, and none of logs/ was made under a HOLD. Others are
// findings, and cover nothing.
class Retained {
 public:
  Retained(const std::vector<codec::StatementRecord>& statements, const std::array<TablePlan, kTableCount>& plans,
           Findings& findings);
  // The statements could not be read: that the oldest segments of logs/ and access/ are gone says nothing.
  explicit Retained(const std::array<TablePlan, kTableCount>& plans);

  // A segment whose rows are, or may be, let go.
  bool let_go(TableId table, SegmentNumber segment) const;
  const LetGo* covering(TableId table, SegmentNumber segment) const;
  // The files that are not there: information where a statement covers them. `committed`: rows of meta/ that a signed
  // commit confirms; a statement above them covers nothing.
  void judge_missing(const TablePlan& plan, uint64_t committed, Findings& findings) const;
  // tree/0 still holds the hashes the statements name: what is let go is checked by hash alone.
  Result<void> check_hashes(const std::array<TablePlan, kTableCount>& plans, uint64_t committed,
                            Findings& findings) const;

 private:
  std::vector<LetGo> accepted_;
  bool unknown_ = false;
  std::array<uint64_t, kTableCount> oldest_gone_{};  // when unknown_: segments below it are not there
};

}  // namespace khipu::verify
