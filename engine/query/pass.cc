#include "engine/query/pass.h"

#include <algorithm>
#include <atomic>

#include "engine/base/assert.h"
#include "engine/query/time_text.h"
#include "engine/segment/format.h"

namespace khipu::query {
namespace {

constexpr uint64_t kRowsBetweenLooks = 1024;  // at the stop token

}  // namespace

Answer<void> check_filter(const Filter& filter) {
  if (filter.log == Log::kAccess) {
    return QueryError("UNKNOWN_VALUE", "log", "access", "This is asked of the events alone.");
  }
  if (filter.from && filter.to && *filter.from >= *filter.to) {
    return empty_window(*filter.from, *filter.to);
  }
  return {};
}

// Where matches go: whole records, or places. Owner: one pass.
struct Pass::Sink {
  const Visit* records = nullptr;  // one of the two
  const VisitPlace* places = nullptr;
  const VisitPart* parts = nullptr;  // besides records
  bool count_rest = false;
  bool telling = true;       // of places: until it says that it has enough
  bool tell_segment = true;  // of places: this segment's
  uint64_t matched = 0;

  bool wants_places() const { return places != nullptr && telling && tell_segment; }
  bool goes_on() const { return records != nullptr || telling || count_rest; }
  bool take_place(Row row, TimeUs time) {
    ++matched;
    if (wants_places()) telling = (*places)(row, time);
    return goes_on();
  }
};

// What an index says of a segment's rows.
struct Pass::Chosen {
  bool exact = false;
  uint32_t count = 0;
  std::optional<index::RowSet> rows;    // absent: only their number is wanted
  std::optional<index::Column> column;  // exact: their times, if they matter; else where their frames begin
};

bool Pass::take(const snapshot::SegmentInfo& segment, const snapshot::ScannedRow& row, Sink& sink) {
  const auto unreadable = [&](uint64_t rows) {
    damage = true;
    findings_.add({std::string(row.finding.empty() ? "frame-corrupt" : row.finding), TableId::kLogs, row.row, rows,
                   "logs row " + std::to_string(row.row.value) + ", " + segment::segment_name(segment.number) +
                       (row.detail.empty() ? "" : ": ") + std::string(row.detail)});
    return true;
  };
  if (++scanned % kRowsBetweenLooks == 0 && stop_.stop_requested()) {
    stopped_ = true;
    return false;
  }
  if (row.fault != codec::FrameFault::kNone) return unreadable(row.lost);
  if (!matcher_.in_window(row.frame.time_us)) return true;
  if (!codec::decode_event(row.frame.payload, event_).ok()) return unreadable(1);
  if (!matcher_.matches(event_)) return true;
  return sink.records != nullptr ? (*sink.records)(row.row, event_) : sink.take_place(row.row, event_.occurred_at);
}

Result<Pass::Chosen> Pass::choose(const index::Reader& index, uint32_t from_row, uint32_t to_row,
                                  const Sink& sink) const {
  Plan plan(index, from_row, to_row);
  KHIPU_TRY(matcher_.narrow(plan));
  Chosen chosen;
  chosen.exact = plan.exact() && (sink.places != nullptr || sink.parts != nullptr);
  KHIPU_TRY_ASSIGN(chosen.count, plan.count());
  if (chosen.exact && sink.parts != nullptr) {
    if (chosen.count > 0 && chosen.count < index.rows()) {
      KHIPU_TRY_ASSIGN(chosen.rows, plan.rows());
    }
    return chosen;
  }
  if (chosen.count == 0 || (chosen.exact && !sink.wants_places())) return chosen;
  KHIPU_TRY_ASSIGN(chosen.rows, plan.rows());
  if (chosen.exact && !tells_times) return chosen;
  KHIPU_TRY_ASSIGN(chosen.column, chosen.exact ? index.times() : index.offsets());
  return chosen;
}

Result<bool> Pass::meet(const snapshot::SegmentInfo& segment, const snapshot::Part& part, const index::RowSet& rows,
                        const index::Column& offsets, Sink& sink) {
  bool going_on = true;
  const auto order = descending_ ? snapshot::Order::kDescending : snapshot::Order::kAscending;
  KHIPU_TRY(snapshot_.scan_rows(
      segment, part.first_row, rows, offsets, order,
      [&](const snapshot::ScannedRow& row) { return going_on = take(segment, row, sink); },
      sieve_ ? &*sieve_ : nullptr));
  return going_on && !stopped_;
}

Result<std::optional<bool>> Pass::tell_part(const snapshot::SegmentInfo& segment, const snapshot::Part& part,
                                            const Chosen& chosen, Sink& sink) {
  std::optional<bool> going_on;
  if (chosen.count == 0) return going_on = true;
  const auto told = (*sink.parts)(part, chosen.rows ? &*chosen.rows : nullptr);
  if (!told.ok()) {
    distrust_index(segment, told.error());
    return going_on;
  }
  going_on = told->has_value();
  if (!*going_on || (*told)->count() == 0) return going_on;
  const Result<index::Column> offsets = part.index->offsets();
  if (!offsets.ok()) return std::move(offsets).error();
  KHIPU_TRY_ASSIGN(going_on, meet(segment, part, **told, *offsets, sink));
  return going_on;
}

Result<bool> Pass::tell_places(Row first_row, const Chosen& chosen, Sink& sink) {
  if (chosen.rows) {
    chosen.rows->each(descending_, [&](uint32_t row) {
      ++scanned;
      sink.telling = (*sink.places)({first_row.value + row}, chosen.column ? (*chosen.column)[row] : 0);
      return sink.telling;
    });
  }
  sink.matched += chosen.count;
  return sink.goes_on();
}

void Pass::distrust_index(const snapshot::SegmentInfo& segment, const Error& error) {
  if (error.code == Code::kIo) return;  // it could not be read, which says nothing about it: the records are asked
  findings_.add({"index-mismatch", TableId::kLogs, segment.first_row, segment.rows,
                 "the index of segment " + std::to_string(segment.number.value) + ": " + error.message});
}

Result<std::optional<bool>> Pass::run_indexed(const snapshot::SegmentInfo& segment, const snapshot::Part& part,
                                              Row first, Row last, Sink& sink) {
  std::optional<bool> going_on;
  if (!part.index) return going_on;
  const Result<Chosen> chosen = choose(*part.index, static_cast<uint32_t>(first.value - part.first_row.value),
                                       static_cast<uint32_t>(last.value - part.first_row.value), sink);
  if (!chosen.ok()) {  // the records themselves are asked instead
    distrust_index(segment, chosen.error());
    return going_on;
  }
  if (chosen->exact && sink.parts != nullptr) return tell_part(segment, part, *chosen, sink);
  if (chosen->exact) {
    KHIPU_TRY_ASSIGN(going_on, tell_places(part.first_row, *chosen, sink));
    return going_on;
  }
  going_on = true;
  if (chosen->rows) {
    KHIPU_TRY_ASSIGN(going_on, meet(segment, part, *chosen->rows, *chosen->column, sink));
  }
  return going_on;
}

Result<bool> Pass::run_part(const snapshot::SegmentInfo& segment, const snapshot::Part& part, Row first, Row last,
                            Sink& sink) {
  first = std::max(first, part.first_row);
  last = std::min(last, Row{part.first_row.value + part.rows});
  if (first >= last) return true;
  KHIPU_TRY_ASSIGN(const std::optional<bool> indexed, run_indexed(segment, part, first, last, sink));
  if (indexed) return *indexed;
  bool going_on = true;
  const auto order = descending_ ? snapshot::Order::kDescending : snapshot::Order::kAscending;
  KHIPU_TRY(snapshot_.scan(
      TableId::kLogs, first, last, order,
      [&](const snapshot::ScannedRow& row) { return going_on = take(segment, row, sink); },
      sieve_ ? &*sieve_ : nullptr));
  return going_on && !stopped_;
}

Result<void> Pass::ask_merged(const snapshot::Snapshot::MergedRange& range, const Matcher::Needs& needs) {
  const std::vector<snapshot::SegmentInfo>& segments = snapshot_.segments(TableId::kLogs);
  const uint64_t count = range.index->name().count();
  std::vector<uint64_t> rows;                // that have the only list
  std::vector<bool> may(count), all(count);  // hold a row that matches; all of theirs do that have the only list
  for (size_t i = 0; i < count; ++i) {
    const snapshot::SegmentInfo& segment = segments[range.first + i];
    may[i] = from.value < segment.first_row.value + segment.rows && segment.first_row < to;
    all[i] = needs.alone && from <= segment.first_row && segment.first_row.value + segment.rows <= to.value;
    if (!may[i] || !matcher_.has_window()) continue;
    KHIPU_TRY_ASSIGN(const index::MergedPart part, range.index->part(static_cast<uint32_t>(i)));
    if (part.first_row != segment.first_row || part.rows != segment.rows) {
      return Error{Code::kCorrupt, "a merged index of other segments"};
    }
    const TimeUs first = matcher_.on_occurred() ? part.time_min : part.recorded_first;
    const TimeUs last = matcher_.on_occurred() ? part.time_max : part.recorded_last;
    may[i] = matcher_.overlaps(first, last);
    all[i] = all[i] && matcher_.covers(first, last);
  }
  const bool none = std::find(may.begin(), may.end(), true) == may.end();  // then no term need be looked for
  for (const std::vector<index::Term>& list : needs.lists) {
    if (none) break;
    rows.assign(count, 0);
    for (const index::Term& term : list) {
      KHIPU_TRY_ASSIGN(const std::vector<index::Held> held, range.index->find(term));
      for (const index::Held& one : held) rows[one.segment] += one.rows;
    }
    for (size_t i = 0; i < count; ++i) may[i] = may[i] && rows[i] > 0;
  }
  std::vector<std::optional<uint64_t>> known(count);
  for (size_t i = 0; i < count; ++i) {
    if (!may[i]) {
      known[i] = 0;
    } else if (all[i]) {
      known[i] = needs.lists.empty() ? segments[range.first + i].rows : rows[i];
    }
  }
  std::copy(known.begin(), known.end(), known_.begin() + static_cast<ptrdiff_t>(range.first));
  return {};
}

void Pass::ask_merged() {
  const std::vector<snapshot::SegmentInfo>& segments = snapshot_.segments(TableId::kLogs);
  known_.assign(segments.size(), std::nullopt);
  const Matcher::Needs needs = matcher_.needs();
  if (needs.lists.empty() && !matcher_.has_window()) return;
  const auto failed = [&](const snapshot::SegmentInfo& first, uint64_t rows, const Error& error) {
    if (error.code == Code::kIo) return;
    findings_.add({"index-mismatch", TableId::kLogs, first.first_row, rows,
                   "the merged index from segment " + std::to_string(first.number.value) + " on: " + error.message});
  };
  for (const snapshot::Snapshot::MergedRange& range : snapshot_.merged(TableId::kLogs, failed)) {
    const Result<void> asked = ask_merged(range, needs);
    if (!asked.ok()) failed(segments[range.first], range.index->rows(), asked.error());
  }
}

Result<bool> Pass::run_segment(size_t place, Sink& sink) {
  const snapshot::SegmentInfo& segment = snapshot_.segments(TableId::kLogs)[place];
  const std::optional<uint64_t>& known = known_[place];
  if (known && *known == 0) return true;
  const Row first{std::max(from.value, segment.first_row.value)};
  const Row last{std::min(to.value, segment.first_row.value + segment.rows)};
  if (first >= last || !matcher_.may_hold(snapshot_, segment) || (wanted && !wanted(segment))) return true;
  sink.tell_segment = !only_count || !only_count(segment);
  if (known && sink.places != nullptr && !sink.wants_places()) {
    sink.matched += *known;
    return sink.goes_on();
  }
  auto parts = snapshot_.parts(TableId::kLogs, segment);
  if (!parts.ok()) {
    distrust_index(segment, parts.error());
    parts = std::vector<snapshot::Part>{{segment.first_row, segment.rows, nullptr}};
  }
  for (size_t i = 0; i < parts->size() && !stopped_; ++i) {
    const snapshot::Part& part = (*parts)[descending_ ? parts->size() - 1 - i : i];
    KHIPU_TRY_ASSIGN(const bool going_on, run_part(segment, part, first, last, sink));
    if (!going_on) return false;
  }
  return true;
}

// Asked again when the pass comes to them, from blocks that are there by then.
void Pass::look_ahead() const {
  constexpr size_t kSegmentsMax = 8;
  const std::vector<snapshot::SegmentInfo>& segments = snapshot_.segments(TableId::kLogs);
  struct Ahead {
    const snapshot::SegmentInfo* segment;
    bool told;
  };
  std::vector<Ahead> ahead;
  uint64_t places = 0;  // that the segments so far are known to have
  for (size_t i = 0; i < segments.size(); ++i) {
    const size_t place = descending_ ? segments.size() - 1 - i : i;
    const snapshot::SegmentInfo& segment = segments[place];
    const std::optional<uint64_t>& known = known_[place];
    const bool told = places < places_wanted;
    if ((known && (*known == 0 || !told)) || !segment.sealed) continue;
    if (segment.first_row >= to || from.value >= segment.first_row.value + segment.rows) continue;
    if (!matcher_.may_hold(snapshot_, segment) || (wanted && !wanted(segment))) continue;
    if (ahead.size() == kSegmentsMax) return;  // it would take too much that may not be needed
    ahead.push_back({&segment, told});
    places += known.value_or(0);
  }
  if (ahead.size() < 2) return;
  std::atomic<size_t> next{0};
  snapshot_.share([&] {
    for (size_t i = next++; i < ahead.size(); i = next++) {
      const auto index = snapshot_.segment_index(TableId::kLogs, *ahead[i].segment);
      if (!index.ok() || !*index) continue;
      Plan plan(**index, 0, (*index)->rows());
      if (!matcher_.narrow(plan).ok()) continue;  // which is told when the pass comes to it
      if (ahead[i].told) {
        (void)plan.rows();
      } else {
        (void)plan.count();
      }
    }
  });
}

bool Pass::ends_before(const snapshot::SegmentInfo& segment) {
  if (scanned < scanned_max) return false;
  const Row edge =
      descending_ ? std::min(to, Row{segment.first_row.value + segment.rows}) : std::max(from, segment.first_row);
  if (edge <= from && descending_) return false;  // nothing of it is asked for
  if (edge >= to && !descending_) return false;
  ended_at = edge;
  return true;
}

Result<void> Pass::run_all(Sink& sink) {
  if (matcher_.never()) return {};
  if (matcher_.may_sift()) {
    sieve_ = snapshot::Sieve{[this](const snapshot::ScannedRow& row) {
                               if (!matcher_.in_window(row.frame.time_us)) return false;
                               if (!matcher_.may_match(row.frame.payload)) return false;
                               thread_local codec::EventRecord event;  // its vectors are filled again and again
                               return !codec::decode_event(row.frame.payload, event).ok() || matcher_.matches(event);
                             },
                             [this](uint64_t rows) {
                               scanned += rows;
                               stopped_ = stop_.stop_requested();
                               return !stopped_;
                             }};
  }
  ask_merged();
  if (places_wanted > 0 && matcher_.has_window()) look_ahead();
  const std::vector<snapshot::SegmentInfo>& segments = snapshot_.segments(TableId::kLogs);
  for (size_t i = 0; i < segments.size(); ++i) {
    const size_t place = descending_ ? segments.size() - 1 - i : i;
    if (stop_.stop_requested()) return Error{Code::kCancelled, "query"};
    if (ends_before(segments[place])) break;
    KHIPU_TRY_ASSIGN(const bool going_on, run_segment(place, sink));
    if (stopped_) return Error{Code::kCancelled, "query"};
    if (!going_on) break;
  }
  return {};
}

Result<void> Pass::run(const Visit& visit) {
  Sink sink;
  sink.records = &visit;
  return run_all(sink);
}

Result<void> Pass::run_parts(const VisitPart& part, const Visit& visit) {
  Sink sink;
  sink.records = &visit;
  sink.parts = &part;
  return run_all(sink);
}

Result<void> Pass::run_records(const snapshot::Part& part, const Error& failed, const Visit& visit) {
  const snapshot::SegmentInfo* const segment = snapshot_.segment_of(TableId::kLogs, part.first_row);
  KHIPU_ASSERT(segment != nullptr);
  distrust_index(*segment, failed);
  Sink sink;
  sink.records = &visit;
  KHIPU_TRY(run_part(*segment, {part.first_row, part.rows, nullptr}, part.first_row,
                     Row{part.first_row.value + part.rows}, sink));
  if (stopped_) return Error{Code::kCancelled, "query"};
  return {};
}

Result<uint64_t> Pass::places(const VisitPlace& visit, bool count_rest) {
  Sink sink;
  sink.places = &visit;
  sink.count_rest = count_rest;
  KHIPU_TRY(run_all(sink));
  return sink.matched;
}

}  // namespace khipu::query
