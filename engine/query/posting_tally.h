// Groups counted from an index: the rows of each value of one key, without a record. Not here: which rows match
// (plan.h), counting by records (tally.h).
#pragma once

#include "engine/query/pass.h"
#include "engine/query/tally.h"

namespace khipu::query {

// Owner: one thread, for one answer. Borrows the tally.
class PostingTally {
 public:
  // Whether what is asked can be counted so: one key that indexes have, events counted, no buckets of time.
  static bool can(const Tally::Plan& plan);
  // `by`: the key. `fits` becomes false when groups take more memory than they may, and counting ends.
  PostingTally(Tally& tally, GroupBy by, Axis axis, bool& fits) : tally_(tally), by_(by), axis_(axis), fits_(fits) {}

  // Adds the part's rows that are in `rows`, or all of them (nullptr). What it gives back must be counted by records:
  // an index does not say their values whole. kCorrupt: nothing was added.
  Result<index::RowSet> add(const snapshot::Part& part, const index::RowSet* rows);

 private:
  struct Found {
    size_t value_from = 0, value_size = 0;  // in values_
    uint32_t count = 0, first = 0, last = 0;
    TimeUs least = INT64_MAX, most = INT64_MIN;
  };
  Result<Found> met(const index::Reader& index, const index::List& list, const index::RowSet* rows,
                    const index::Column& times) const;

  Tally& tally_;
  GroupBy by_;
  Axis axis_;
  bool& fits_;
  std::vector<Found> found_;
  Buffer values_;
};

}  // namespace khipu::query
