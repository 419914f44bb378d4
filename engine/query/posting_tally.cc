#include "engine/query/posting_tally.h"

namespace khipu::query {
namespace {

std::optional<index::Field> field_of(GroupBy by) {
  switch (by) {
    case GroupBy::kActor: return index::Field::kActor;
    case GroupBy::kTarget: return index::Field::kTarget;
    case GroupBy::kAction: return index::Field::kAction;
    case GroupBy::kActionClass: return index::Field::kActionClass;
    case GroupBy::kOutcome: return index::Field::kOutcome;
    case GroupBy::kSource: return index::Field::kSource;
    default: return std::nullopt;
  }
}

bool is_word(GroupBy by) { return by == GroupBy::kAction || by == GroupBy::kSource; }

}  // namespace

bool PostingTally::can(const Tally::Plan& plan) {
  return plan.group_by.size() == 1 && field_of(plan.group_by[0].by) && plan.metric == Metric::kCount && !plan.buckets &&
         !plan.from;
}

// A part's times on the axis asked for: a row's from the blocks that say it, or all at once.
class PostingTally::Times {
 public:
  Times(const index::Reader& index, Axis axis) : index_(index), recorded_(axis == Axis::kRecorded) {}
  bool ordered() const { return recorded_ || index_.header().in_order; }
  Result<void> read_all() {
    KHIPU_TRY_ASSIGN(all_, recorded_ ? index_.recorded() : index_.times());
    return {};
  }
  Result<TimeUs> of(uint32_t row) const {
    if (all_) return (*all_)[row];
    return recorded_ ? index_.recorded_of(row) : index_.time_of(row);
  }
  // Once all were read.
  TimeUs operator[](uint32_t row) const { return (*all_)[row]; }
  // Of a part with rows.
  Result<TimeUs> least() const { return recorded_ ? of(0) : Result<TimeUs>(index_.header().time_min); }
  Result<TimeUs> most() const { return recorded_ ? of(index_.rows() - 1) : Result<TimeUs>(index_.header().time_max); }

 private:
  const index::Reader& index_;
  const bool recorded_;
  std::optional<index::Column> all_;
};

// Those of a part that is not ordered were all read.
Result<PostingTally::Found> PostingTally::met(const index::Reader& index, const index::List& list,
                                              const index::RowSet* rows, const Times& times) const {
  Found found;
  const bool ordered = times.ordered();
  KHIPU_TRY(index.each_row(list, [&](uint32_t row) {
    if (rows != nullptr && !rows->has(row)) return;
    if (found.count++ == 0) found.first = row;
    found.last = row;
    if (ordered) return;
    const TimeUs time = times[row];
    found.least = std::min(found.least, time);
    found.most = std::max(found.most, time);
  }));
  if (found.count > 0 && ordered) {
    KHIPU_TRY_ASSIGN(found.least, times.of(found.first));
    KHIPU_TRY_ASSIGN(found.most, times.of(found.last));
  }
  return found;
}

uint32_t PostingTally::id_of(Bytes value) {
  if (value.empty()) return 0;
  if (is_word(by_)) return tally_.id_of(0, as_text(value));
  uint64_t number = 0;
  for (size_t i = 0; i < std::min<size_t>(value.size(), 8); ++i) number = number << 8 | value[i];
  return tally_.id_of(0, static_cast<int64_t>(number));
}

Result<std::vector<PostingTally::Failed>> PostingTally::finish() {
  std::vector<Failed> failed;
  for (uint32_t id = 0; id < pending_.size(); ++id) {
    if (pending_[id].part == SIZE_MAX) continue;
    PendingPart& from = parts_[pending_[id].part];
    if (!from.part.index) continue;  // it failed
    const Result<Found> found = met(*from.part.index, pending_[id].list, nullptr, Times(*from.part.index, axis_));
    if (!found.ok()) {
      if (found.error().code != Code::kCorrupt) return found.error();
      failed.push_back({from.part, found.error()});
      from.part.index.reset();
      continue;
    }
    Counted end;
    end.first_seq = Row{from.part.first_row.value + found->first};
    end.last_seq = Row{from.part.first_row.value + found->last};
    end.first = found->least;
    end.last = found->most;
    Tuple key{};
    key[0] = id;
    tally_.add(key, end);
  }
  return failed;
}

void PostingTally::end_at(Row row, const codec::EventRecord& event) {
  Counted end;
  end.first_seq = end.last_seq = row;
  end.first = end.last = tally_.time_of(event);
  tally_.read(event, keys_);
  for (const Tuple& key : keys_) tally_.add(key, end);
}

// later_, counted.
void PostingTally::put_off(const snapshot::Part& part) {
  if (later_.empty()) return;
  const size_t number = parts_.size();
  parts_.push_back({part, later_.size()});
  for (const Later& later : later_) {
    if (later.id >= pending_.size()) pending_.resize(std::max<size_t>(2 * pending_.size(), later.id + 1));
    Pending& pending = pending_[later.id];
    if (pending.part != SIZE_MAX && --parts_[pending.part].groups == 0) parts_[pending.part].part.index.reset();
    pending = {number, later.list};
    Counted counted;
    counted.count = later.list.count;
    Tuple key{};
    key[0] = later.id;
    tally_.add(key, counted);
  }
}

Result<index::RowSet> PostingTally::add(const snapshot::Part& part, const index::RowSet* rows) {
  const index::Reader& index = *part.index;
  index::RowSet by_record(index.rows());
  if (index.rows() == 0) return by_record;
  found_.clear();
  later_.clear();
  Times times(index, axis_);
  KHIPU_TRY_ASSIGN(const TimeUs begins, times.least());
  KHIPU_TRY_ASSIGN(const TimeUs ends, times.most());
  const bool behind = rows == nullptr && times.ordered() && (!latest_ || begins >= *latest_);
  if (!behind || !latest_) KHIPU_TRY(times.read_all());
  const bool multiple = by_ == GroupBy::kTarget;
  index::RowSet with(multiple ? index.rows() : 0);  // rows that have a value: of targets there may be none
  Result<void> sound;
  const std::array<uint8_t, 1> prefix = {static_cast<uint8_t>(*field_of(by_))};
  const auto take = [&](Bytes term, const index::List& list) -> Result<void> {
    if (is_word(by_) && term.size() > index::kTextKeySizeMax) return index.add(list, by_record);
    if (multiple) KHIPU_TRY(index.add(list, with));
    const uint32_t id = id_of(term.subspan(1));
    if (behind && id < met_.size() && met_[id]) {
      later_.push_back({id, list});
      return {};
    }
    KHIPU_TRY_ASSIGN(Found found, met(index, list, rows, times));
    found.id = id;
    if (found.count > 0) found_.push_back(found);
    return {};
  };
  KHIPU_TRY(index.each(prefix, [&](Bytes term, const index::List& list) {
    sound = take(term, list);
    return sound.ok();
  }));
  KHIPU_TRY(std::move(sound));
  if (multiple) {
    index::RowSet without(index.rows());
    without.add_range(0, index.rows());
    without -= with;
    if (rows != nullptr) without &= *rows;
    Found none;
    without.each(false, [&](uint32_t row) {
      const Result<TimeUs> time = times.of(row);
      if (!time.ok()) sound = time.error();
      if (!time.ok()) return false;
      if (none.count++ == 0) none.first = row;
      none.last = row;
      none.least = std::min(none.least, *time);
      none.most = std::max(none.most, *time);
      return true;
    });
    KHIPU_TRY(std::move(sound));
    if (none.count > 0) found_.push_back(none);
  }
  if (rows != nullptr) by_record &= *rows;

  put_off(part);
  for (const Found& found : found_) {
    Tuple key{};
    key[0] = found.id;
    if (found.id >= met_.size()) met_.resize(std::max<size_t>(2 * met_.size(), found.id + 1));
    met_[found.id] = true;
    Counted counted;
    counted.count = found.count;
    counted.first_seq = Row{part.first_row.value + found.first};
    counted.last_seq = Row{part.first_row.value + found.last};
    counted.first = found.least;
    counted.last = found.most;
    tally_.add(key, counted);
  }
  latest_ = latest_ ? std::max(*latest_, ends) : ends;
  const uint32_t all = rows != nullptr ? rows->count() : index.rows();
  fits_ = tally_.add_events(all - by_record.count());
  return by_record;
}

}  // namespace khipu::query
