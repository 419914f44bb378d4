// One pass over the rows of logs/ that a filter may meet: segments left out by their times, rows outside the window
// before they are decoded, damage turned into findings. Counting trusts the CRC; what is shown is checked elsewhere.
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

  uint64_t scanned = 0;  // rows met
  bool damage = false;   // rows were met that could not be read: a count is a lower bound

  // Matching rows in order until `visit` returns false. kPurged, kCancelled.
  using Visit = std::function<bool(Row, const codec::EventRecord&)>;
  Result<void> run(const Visit& visit);

 private:
  Result<bool> run_segment(const snapshot::SegmentInfo& segment, const Visit& visit);

  const snapshot::Snapshot& snapshot_;
  const Matcher& matcher_;
  bool descending_;
  std::stop_token stop_;
  Findings& findings_;
  codec::EventRecord event_;  // its vectors are filled again and again
};

}  // namespace khipu::query
