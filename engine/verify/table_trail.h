// One table's rows in order, as its segments deliver them, walked from commit to commit: does the signed root follow
// from the records, and do the tree files hold the hashes on the way? Owner: one thread.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "engine/codec/record.h"
#include "engine/os/file.h"
#include "engine/verify/frontier.h"
#include "engine/verify/segment_check.h"

namespace khipu::verify {

class TableTrail {
 public:
  // `table` may be null (folder missing). `tree_synced`: rows for which the tree files are promised to be right.
  // Segments that were walked over are left to `spare`.
  TableTrail(TableId id, os::Directory* table, uint64_t tree_synced, Findings& findings, SpareRows& spare)
      : id_(id), table_(table), tree_synced_(tree_synced), findings_(findings), spare_(spare) {}

  // An incremental run: the rows in front of `size` are those an earlier one checked, if the tree files still lead to
  // its root. False: they do not.
  Result<bool> resume(uint64_t size, const Hash& root);
  // The root at this size is wanted of the walk.
  void want(uint64_t size) { wanted_.try_emplace(size); }
  std::optional<Hash> root_at(uint64_t size) const;

  // The next segment; what it returns stands until the next push. `unreadable`: its rows cannot be judged, and no
  // finding may come of that.
  const SegmentFacts& push(SegmentFacts facts);
  void push_unreadable(Row first_row, uint64_t rows);

  // What came of walking to a commit's size. Nothing is changed until accept().
  struct Attempt {
    enum class Fit { kFits, kFitsStored, kDiffers, kRowsMissing, kShrinks };
    Fit fit = Fit::kFits;
    uint64_t size = 0;
    Frontier frontier;
    struct Completed {
      size_t level;
      uint64_t index;
      Hash hash;
    };
    std::vector<Completed> completed;
    std::vector<std::pair<uint64_t, Hash>> wanted;
    bool fits() const { return fit == Fit::kFits || fit == Fit::kFitsStored; }
  };
  Attempt attempt(const codec::TableState& state) const;
  // Moves there and reports what differs.
  Result<void> accept(Attempt attempt, const codec::TableState& state, CommitNumber commit);
  // Compares what is left of the tree files' hashes.
  Result<void> finish();

  uint64_t size() const { return frontier_.size(); }  // walked to
  uint64_t rows_end() const { return rows_end_; }     // delivered
  bool broken() const { return broken_; }

 private:
  const SegmentFacts* chunk_of(uint64_t row) const;
  void append_rows(Attempt& attempt, uint64_t to, bool prefer_stored) const;
  bool differs_between(uint64_t from, uint64_t to) const;
  void report_rows(uint64_t from, const Attempt& attempt, CommitNumber commit, const Hash& root);
  void report_row(const SegmentFacts& chunk, uint64_t row, std::string_view code, std::string detail,
                  CommitNumber commit);
  Result<void> compare_levels(size_t level);

  TableId id_;
  os::Directory* table_;
  uint64_t tree_synced_;
  Findings& findings_;
  SpareRows& spare_;
  std::deque<SegmentFacts> chunks_;
  Frontier frontier_;
  uint64_t rows_end_ = 0;
  bool broken_ = false;
  bool tree_end_reported_ = false;
  std::optional<Error> unread_;  // tree files could not be read; finish() says so
  std::map<uint64_t, std::optional<Hash>> wanted_;
  struct LevelRun {
    uint64_t from = 0;
    std::vector<Hash> hashes;
  };
  std::array<LevelRun, 8> levels_;
};

}  // namespace khipu::verify
