// One pass over the rows of logs/ that a filter may meet: segments left out by their times, rows outside the window
// before they are decoded, damage turned into findings. Segments with an index are asked through it (plan.h). Counting
// trusts the CRC; what is shown is checked elsewhere.
#pragma once

#include <functional>
#include <stop_token>

#include "engine/query/matcher.h"
#include "engine/query/record_reader.h"

namespace khipu::query {

// What no pass can answer: a log that is not there, an empty window.
Answer<void> check_filter(const Filter& filter);

// Borrows what it is made from. Owner: one thread, for one pass.
class Pass {
 public:
  // Rows [0, size), narrowed by from and to below.
  Pass(const snapshot::Snapshot& snapshot, const Matcher& matcher, uint64_t size, bool descending, std::stop_token stop,
       Findings& findings)
      : to{size},
        snapshot_(snapshot),
        matcher_(matcher),
        descending_(descending),
        stop_(std::move(stop)),
        findings_(findings) {}

  Row from, to;  // rows [from, to)
  // Sealed segments that the caller knows it needs; absent: all.
  std::function<bool(const snapshot::SegmentInfo&)> wanted;

  // Once so many rows were met, the pass ends in front of the next segment. `ended_at` then says where: the rows from
  // there on in the pass's direction were not looked at ([from, ended_at) of a descending one).
  uint64_t scanned_max = UINT64_MAX;
  std::optional<Row> ended_at;

  uint64_t scanned = 0;  // rows met
  bool damage = false;   // rows were met that could not be read: a count is a lower bound

  // Matching rows in order until `visit` returns false. kPurged, kCancelled.
  using Visit = std::function<bool(Row, const codec::EventRecord&)>;
  Result<void> run(const Visit& visit);
  // As run(), but of each match only its place is told: an index knows it without the record. Once `visit` has returned
  // false no row is told any more; then, with `count_rest`, they are counted on. How many match, as far as counted.
  using VisitPlace = std::function<bool(Row, TimeUs occurred_at)>;
  Result<uint64_t> places(const VisitPlace& visit, bool count_rest);
  // As run(), but parts of segments whose index decides the filter are told as a whole: their rows that match, nullptr
  // for all. Of these, rows that it gives back are met as records. An Error: the index is not used. nullopt: enough.
  using VisitPart =
      std::function<Result<std::optional<index::RowSet>>(const snapshot::Part&, const index::RowSet* rows)>;
  Result<void> run_parts(const VisitPart& part, const Visit& visit);
  // As run(), over the part's records alone: its index failed, and findings say so.
  Result<void> run_records(const snapshot::Part& part, const Error& failed, const Visit& visit);
  // For places(): whether the times that are told matter. An index then reads a column for them; else they may be 0.
  bool tells_times = true;
  // For places(): how many are told before `visit` returns false, as far as it is known; for look_ahead().
  uint64_t places_wanted = 0;
  // For places(): segments whose rows need not be told, only counted; absent: none.
  std::function<bool(const snapshot::SegmentInfo&)> only_count;

 private:
  struct Sink;
  struct Chosen;
  Result<void> run_all(Sink& sink);
  Result<bool> run_segment(size_t place, Sink& sink);
  bool ends_before(const snapshot::SegmentInfo& segment);
  // Of the segments that a window cuts, and those whose places are wanted first, index blocks are read and checked on
  // two threads.
  void look_ahead() const;
  // Fills known_ from merged files.
  void ask_merged();
  Result<void> ask_merged(const snapshot::Snapshot::MergedRange& range, const Matcher::Needs& needs);
  // Rows [first, last) of the segment, within the part. False when no more is wanted.
  Result<bool> run_part(const snapshot::SegmentInfo& segment, const snapshot::Part& part, Row first, Row last,
                        Sink& sink);
  // nullopt: the part has no index to use, and must be scanned.
  Result<std::optional<bool>> run_indexed(const snapshot::SegmentInfo& segment, const snapshot::Part& part, Row first,
                                          Row last, Sink& sink);
  void distrust_index(const snapshot::SegmentInfo& segment, const Error& error);
  Result<Chosen> choose(const index::Reader& index, uint32_t from, uint32_t to, const Sink& sink) const;
  // nullopt: the index failed, and nothing was told.
  Result<std::optional<bool>> tell_part(const snapshot::SegmentInfo& segment, const snapshot::Part& part,
                                        const Chosen& chosen, Sink& sink);
  Result<bool> meet(const snapshot::SegmentInfo& segment, const snapshot::Part& part, const index::RowSet& rows,
                    const index::Column& offsets, Sink& sink);
  Result<bool> tell_places(Row first_row, const Chosen& chosen, Sink& sink);
  // A row met: false when no more is wanted.
  bool take(const snapshot::SegmentInfo& segment, const snapshot::ScannedRow& row, Sink& sink);

  const snapshot::Snapshot& snapshot_;
  const Matcher& matcher_;
  bool descending_;
  std::stop_token stop_;
  Findings& findings_;
  bool stopped_ = false;
  // Of each segment, as far as merged files say it: how many of its rows match, or that none does (0) while nothing
  // more is known (nullopt).
  std::vector<std::optional<uint64_t>> known_;
  std::optional<snapshot::Sieve> sieve_;  // leaves rows out on several threads; those it wants are judged again
  codec::EventRecord event_;              // its vectors are filled again and again
};

}  // namespace khipu::query
