// Rows of one segment read in batches: each frame is copied out of the map, and the leaves of a batch are made and held
// against the tree many at once. Not here: which rows (snapshot.cc, indexed.cc). Internal to this room.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/snapshot/store.h"
#include "engine/tree/tree.h"

namespace khipu::snapshot {

struct RowPlace {
  Row row;
  uint64_t offset = 0;
};

// Copies of some rows, judged. Owner: one thread, which fills it again and again.
class RowBatch {
 public:
  RowBatch() = default;
  RowBatch(const RowBatch&) = delete;
  RowBatch& operator=(const RowBatch&) = delete;
  // Reads as many of the first places, which ascend, as a batch takes: their number, at least 1.
  size_t read(const Snapshot& snapshot, TableId table, Bytes bytes, std::span<const RowPlace> places);
  // Their frames are views of this batch.
  const std::vector<ScannedRow>& rows() const { return rows_; }
  // Why the last read() could not judge what it read, if so: then there is nothing to say of these rows.
  const std::optional<Error>& failed() const { return failed_; }

 private:
  std::optional<Error> failed_;
  Buffer copies_;
  std::vector<ScannedRow> rows_;
  std::vector<size_t> sound_;  // places in rows_ of those that are whole frames
  std::vector<Row> numbers_;   // of these, as are the next two
  std::vector<Hash> leaves_;
  std::vector<std::string_view> findings_;
  tree::LeafHasher hasher_{leaves_};
};

// One scan over places of a segment. Owner: one thread; with a sieve others help it inside run().
class RowScan {
 public:
  // `bytes` are of `mapping`.
  RowScan(const Snapshot& snapshot, TableId table, const os::Mapping& mapping, Bytes bytes, Order order,
          const Snapshot::Visit& visit, const Sieve* sieve)
      : snapshot_(snapshot),
        table_(table),
        mapping_(mapping),
        bytes_(bytes),
        descending_(order == Order::kDescending),
        visit_(visit),
        sieve_(sieve) {}

  // Place i of `count`, ascending by row; called from several threads at once. False: no more is wanted.
  using PlaceAt = std::function<RowPlace(size_t)>;
  bool run(size_t count, const PlaceAt& at);
  // Behind run(): it ended because the system would not give what rows are judged by.
  const std::optional<Error>& failed() const { return failed_; }

 private:
  struct Range {
    size_t from = 0, to = 0;
  };
  struct Crew;
  // The part of [from, to) at the end where the scan is, within one tile and of at most `most` rows.
  Range next(Range left, size_t most, const PlaceAt& at) const;
  bool tell(const ScannedRow& row) const;
  bool judged(const RowBatch& batch);  // false: it could not be, which ends the scan
  bool visit_all(std::span<const RowPlace> places, RowBatch& batch);
  bool run_sieved(size_t count, const PlaceAt& at, unsigned threads);
  std::vector<RowPlace> sift(Range range, const PlaceAt& at, RowBatch& batch);

  const Snapshot& snapshot_;
  const TableId table_;
  const os::Mapping& mapping_;
  const Bytes bytes_;
  const bool descending_;
  const Snapshot::Visit& visit_;
  const Sieve* const sieve_;
  std::mutex mutex_;  // guards failed_ while others help
  std::optional<Error> failed_;
};

}  // namespace khipu::snapshot
