// One walk over all of a log, or over what is new since a state: plan, meta/, the other tables with the commit chain
// through all (full.cc), and what is judged when all was read (full_finish.cc). Internal to this room.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/system_error.h"
#include "engine/verify/builders.h"
#include "engine/verify/index_check.h"
#include "engine/verify/published.h"
#include "engine/verify/retained.h"
#include "engine/verify/run.h"
#include "engine/verify/since.h"
#include "engine/verify/spare_rows.h"
#include "engine/verify/spine.h"
#include "engine/verify/trusted_places.h"

namespace khipu::verify {

class Full {
 public:
  explicit Full(Run& run, const State* since) : run_(run), since_(since), positions_(since) {}
  // False: the log does not go on from the state; nothing was read.
  Result<bool> go();

 private:
  Result<bool> plan();
  Result<bool> read_meta();
  Result<void> finish_reading();
  Result<void> hold_against_heads();
  void check_places_of_head();
  void take_line();
  SegmentContext context_of(TableId id);
  Result<void> read_rows();
  Result<bool> take(TableId id, const SegmentJob& job, Result<SegmentFacts> facts);
  bool go_on(Result<bool> taken);
  Result<void> take_logs(SegmentFacts facts);
  void take_versions(const SegmentFacts& facts);
  void note_tails();
  Result<void> note_head();
  void settle_pending();

  TablePlan& plan_of(TableId id) { return plans_[index_of(id)]; }
  TableTrail& trail(TableId id) { return *trails_[index_of(id)]; }

  Run& run_;
  const State* since_;
  Positions positions_;
  Plans plans_;
  std::array<std::vector<SegmentJob>, kTableCount> jobs_;  // what of the plan is read
  Trails trails_;
  std::optional<Chain> chain_;
  Entities entities_;
  ReadEntities entities_read_;
  std::vector<std::pair<uint64_t, const char*>> version_faults_;
  std::vector<codec::StatementRecord> statements_;
  Row meta_gap_{UINT64_MAX};  // from here on statements_ does not go by row: this one of meta/ has none
  std::optional<Retained> retained_;
  Published published_;
  std::vector<std::string> types_;
  IndexPlan index_plan_;
  Result<void> failed_;  // where in_order() ended
  SpareRows spare_;
  Leftovers leftovers_;
  Builders builders_{leftovers_};
  std::map<std::pair<TableId, SegmentNumber>, Result<Findings>> runs_;  // checked beside the reading
  Places places_;                                                       // of an incremental run
  std::optional<Result<Reread>> reread_;                                // done beside the reading
  std::vector<Finding> pending_;
  struct Active {
    SegmentNumber number;
    uint64_t first_row = 0, rows = 0, file_size = 0, end_max = UINT64_MAX;
    std::vector<uint64_t> offsets;
    uint64_t end_offset = 0;
  };
  std::array<std::optional<Active>, kTableCount> active_;
  std::array<std::optional<TimeUs>, kTableCount> recorded_;
  std::array<bool, kTableCount> unreadable_{};
  uint64_t unread_ = 0;  // rows of segments that could not be read
  // The system would not give it: what it holds is not known, and nothing is missing on that account.
  bool meta_denied_ = false, published_denied_ = false;
  // The newest commit that HEAD names was walked to, or is missing for all that could be read.
  bool line_known() const {
    if (!chain_->unreadable()) return true;
    return chain_->line() && run_.head.newest && chain_->line()->number >= run_.head.newest->commit;
  }
  uint64_t new_rows(TableId id, const SegmentJob& job) const;
  void deny(TableId id, const Error& error) {
    if (id == TableId::kMeta && of_system(error)) meta_denied_ = true;
  }
};

}  // namespace khipu::verify
