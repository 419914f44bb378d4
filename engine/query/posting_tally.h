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
  // What was put off, when all was added. Parts whose index fails only then, with the reason: what they hold is
  // counted, but where its groups end is for their records to say, each of which is to be given to end_at().
  struct Failed {
    snapshot::Part part;
    Error error;
  };
  Result<std::vector<Failed>> finish();
  void end_at(Row row, const codec::EventRecord& event);

 private:
  struct Found {
    uint32_t id = 0, count = 0, first = 0, last = 0;
    TimeUs least = INT64_MAX, most = INT64_MIN;
  };
  // Rows of a group in a part behind all that were added before, in order and time: of several the newest decides where
  // the group ends, and where it begins is known. So a list is only counted until then.
  struct Later {
    uint32_t id = 0;
    index::List list;
  };
  struct Pending {
    size_t part = SIZE_MAX;  // in parts_; SIZE_MAX: none
    index::List list;
  };
  struct PendingPart {
    snapshot::Part part;  // its index as long as a group waits for it
    size_t groups = 0;
  };
  class Times;
  uint32_t id_of(Bytes value);
  Result<Found> met(const index::Reader& index, const index::List& list, const index::RowSet* rows,
                    const Times& times) const;
  void put_off(const snapshot::Part& part);

  Tally& tally_;
  GroupBy by_;
  Axis axis_;
  bool& fits_;
  std::optional<TimeUs> latest_;  // of the parts added so far
  std::vector<Pending> pending_;  // by the number of the value, as is the next one
  std::vector<bool> met_;         // in a part added so far: not by a record, which may be of any time
  std::vector<PendingPart> parts_;
  std::vector<Found> found_;  // of one part, as are the next ones
  std::vector<Later> later_;
  std::vector<Tuple> keys_;
};

}  // namespace khipu::query
