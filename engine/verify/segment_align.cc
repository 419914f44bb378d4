#include "engine/verify/segment_align.h"

#include <algorithm>

namespace khipu::verify {
namespace {

// How far a deletion or an insertion without damaged bytes is looked for.
constexpr uint64_t kNearby = 4096;

class Aligner {
 public:
  Aligner(const Scanned& scanned, const std::vector<Hash>& stored, uint64_t expected, bool sealed)
      : leaves_(scanned.leaves), holes_(scanned.holes), stored_(stored), expected_(expected), sealed_(sealed) {}

  Alignment run() {
    // As many whole records as there must be: none was lost, and it is no use asking a tree/0 that may lie.
    if (holes_.empty() && leaves_.size() == expected_) {
      for (; entry_ < leaves_.size(); ++entry_) place();
      return std::move(out_);
    }
    for (; entry_ < leaves_.size(); ++entry_) {
      const std::optional<size_t> hole = take_holes();
      if (matches(entry_, row_)) {
        if (hole) out_.rowless_holes.push_back(*hole);
        place();
      } else if (hole) {
        skip_lost(hole);
        place();
      } else if (const uint64_t found = find_row(); found != kNoOffset) {
        lose(row_, found, std::nullopt);
        place();
      } else if (is_extra()) {
        out_.extra.emplace_back(entry_, row_);
        out_.row_of_entry.push_back(kNoOffset);
      } else {
        place();
      }
    }
    const std::optional<size_t> hole = take_holes();
    const uint64_t end = std::max(expected_, row_);
    if (row_ < end) {
      lose(row_, end, hole);
    } else if (hole) {
      out_.rowless_holes.push_back(*hole);
    }
    return std::move(out_);
  }

 private:
  bool matches(uint64_t entry, uint64_t row) const {
    return entry < leaves_.size() && row < stored_.size() && leaves_[entry] == stored_[row];
  }
  // Holes in front of the entry; all but the last are said to cost nothing, the last one takes the blame.
  std::optional<size_t> take_holes() {
    std::optional<size_t> hole;
    while (hole_ < holes_.size() && holes_[hole_].entry <= entry_) {
      if (hole) out_.rowless_holes.push_back(*hole);
      hole = hole_++;
    }
    return hole;
  }
  void place() {
    if (sealed_ && row_ >= expected_) {  // more records than the segment ever had
      out_.extra.emplace_back(entry_, row_);
      out_.row_of_entry.push_back(kNoOffset);
      return;
    }
    out_.row_of_entry.push_back(row_);
    out_.entry_of_row.push_back(entry_);
    ++row_;
  }
  void lose(uint64_t from, uint64_t to, std::optional<size_t> hole) {
    out_.lost.push_back({from, to, hole});
    for (; row_ < to; ++row_) out_.entry_of_row.push_back(kNoOffset);
  }
  // Behind a hole: the next record's place in the tree says how many rows the hole cost; else one.
  void skip_lost(std::optional<size_t> hole) {
    const uint64_t limit = std::min<uint64_t>(stored_.size(), std::max(expected_, row_ + kNearby));
    uint64_t to = row_;
    while (to < limit && !matches(entry_, to)) ++to;
    if (to >= limit) to = std::min(row_ + 1, std::max(expected_, row_));
    if (to == row_) return out_.rowless_holes.push_back(*hole);
    lose(row_, to, hole);
  }
  // Two records in a row (or the last one) stand where the tree has later rows: the rows between were taken out.
  uint64_t find_row() const {
    const uint64_t limit = std::min<uint64_t>(stored_.size(), row_ + kNearby);
    for (uint64_t row = row_ + 1; row < limit; ++row) {
      if (!matches(entry_, row)) continue;
      if (entry_ + 1 == leaves_.size() || matches(entry_ + 1, row + 1)) return row;
    }
    return kNoOffset;
  }
  // The record the tree has here stands a little later: what is in front of it was put in.
  bool is_extra() const {
    const uint64_t limit = std::min<uint64_t>(leaves_.size(), entry_ + kNearby);
    for (uint64_t entry = entry_ + 1; entry < limit; ++entry) {
      if (!matches(entry, row_)) continue;
      if (entry + 1 == leaves_.size() || matches(entry + 1, row_ + 1)) return true;
    }
    return false;
  }

  const std::vector<Hash>& leaves_;
  const std::vector<Hole>& holes_;
  const std::vector<Hash>& stored_;
  uint64_t expected_;
  bool sealed_;
  uint64_t entry_ = 0, row_ = 0;
  size_t hole_ = 0;
  Alignment out_;
};

}  // namespace

Alignment align(const Scanned& scanned, const std::vector<Hash>& stored, uint64_t expected, bool sealed) {
  return Aligner(scanned, stored, expected, sealed).run();
}

}  // namespace khipu::verify
