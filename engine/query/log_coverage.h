// Evidence about the log, not about what happened: is it complete for a window? Per source when it spoke and when it
// was silent, how late records came, clocks and counters that jumped, when logging was switched; and what the log
// itself says was purged, parked or set aside.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/query/rows.h"

namespace khipu::query {

struct LogCoverageRequest {
  std::optional<TimeUs> from, to;  // occurred_at, [from, to)
  std::vector<std::string> sources;
  std::string tz;                       // of days; empty: UTC
  std::optional<int64_t> silent_after;  // microseconds; nullopt: auto, by each source's own rhythm
  std::stop_token stop;
};

struct Silence {
  TimeUs from = 0, to = 0;  // the last event before, the first after, or an end of the window
};
struct ClockStep {
  Row seq;  // whose occurred_at lies `back_us` before that of the source's event before it
  int64_t back_us = 0;
};
struct SequenceGap {
  Row seq;                       // the first event behind the gap
  uint64_t after = 0, next = 0;  // the source's own numbers on both sides
};
struct DayCount {
  TimeUs day = 0;  // its first instant
  uint64_t events = 0;
};

struct SourceCoverage {
  std::string source;  // raw; "": events that name none
  uint64_t events = 0;
  TimeUs first = 0, last = 0;
  std::vector<DayCount> days;  // those with events, ascending
  // A gap longer than this is a silence. Auto: at least an hour; half as much again as the median over the source's
  // days of the longest gap that begins in each; with events on fewer than three days ten times the median gap.
  int64_t silent_after_us = 0;
  std::vector<Silence> silent;
  // recorded_at - occurred_at in milliseconds: exact below four seconds, else to 0.05 %.
  int64_t lag_p50_ms = 0, lag_p99_ms = 0, lag_max_ms = 0;
  uint64_t steps_total = 0;
  std::vector<ClockStep> steps;  // of a second or more, the first 20
  bool numbered = false;         // the source numbers its records (column journal_seqnum)
  uint64_t gaps_total = 0, numbers_missing = 0;
  std::vector<SequenceGap> gaps;  // the first 20
  uint64_t log_control_total = 0;
  std::vector<Row> log_control;  // the first 50
};

struct PurgedRange {
  Row from, to;
  std::optional<TimeUs> recorded_first, recorded_last;  // nullopt: no statement says
  std::string policy;
};
struct ClockJump {
  TimeUs at = 0;
  int64_t step_us = 0;
  bool cleared = false;
};

struct LogCoverage {
  AsOf as_of;
  TimeUs server_time = 0;
  Filter applied;
  Coverage coverage;
  uint64_t events = 0;
  std::vector<SourceCoverage> sources;  // most events first; at most 200
  uint64_t sources_total = 0;
  TimeUs silent_until = 0;    // how far the silence at the end is counted
  int64_t resolution_us = 0;  // shorter gaps are not seen
  std::vector<PurgedRange> purged;
  uint64_t parked = 0;           // records that imports could not map
  uint64_t quarantined = 0;      // pieces of bytes that recovery set aside
  uint64_t rollbacks = 0;        // older copies of the root that an operator accepted
  std::vector<ClockJump> clock;  // of the writer
  bool lower_bound = false;      // damaged rows could not be looked at
  uint64_t unshown = 0;          // sources whose record failed its check
  std::vector<Finding> findings;
  uint64_t findings_total = 0;
  std::vector<Note> notes;
};

}  // namespace khipu::query
