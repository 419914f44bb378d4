// Indexes of the newest rows of logs/, which no INDEX statement covers: made in memory from the records as
// questions come, and kept for the next snapshots of the same Store. An active segment only grows, so a piece once made
// stays true. Made of records that were checked as a scan checks them; not on disk.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/index/reader.h"
#include "engine/snapshot/store.h"

namespace khipu::snapshot {

// Any thread; one at a time makes pieces, the others scan meanwhile.
class TailIndex {
 public:
  // Pieces of `large` rows, and of `small` rows behind them; what is left is scanned.
  TailIndex(uint32_t small, uint32_t large) : small_(small), large_(large) {}
  // All rows of `segment` from `from` on, in order, counted from its first; what lies before has runs. At most `large`
  // rows are indexed in one call, and none in the first one about a segment: who asks once is served sooner by a scan.
  std::vector<Part> parts(const Snapshot& snapshot, const SegmentInfo& segment, uint64_t from);

 private:
  using Piece = std::shared_ptr<const index::Reader>;  // nullptr: a row of it is damaged, and the scan tells
  struct Pieces {
    uint64_t base = 0;  // rows of the segment in front of them
    std::vector<Piece> large, small;
    bool asked = false;
    // What no piece has, of a segment that stands still: made when it is asked for again as it was.
    struct Rest {
      uint64_t from = 0, rows = 0;
      std::optional<Piece> piece;
      bool is(uint64_t from_row, uint64_t count) const { return from == from_row && rows == count; }
    } rest;
  };
  Result<Piece> build(const Snapshot& snapshot, const SegmentInfo& segment, uint64_t from, uint32_t rows) const;
  void extend(const Snapshot& snapshot, const SegmentInfo& segment);
  Piece rest(const Snapshot& snapshot, const SegmentInfo& segment, uint64_t from);
  void move_base(Pieces& pieces, uint64_t to) const;

  const uint32_t small_, large_;
  std::mutex build_mutex_;  // held while pieces are made
  std::mutex mutex_;        // guards the members below
  std::map<SegmentNumber, Pieces> segments_;
  size_t rollbacks_ = 0;  // of the log they were made of: behind another one, rows may be others
};

}  // namespace khipu::snapshot
