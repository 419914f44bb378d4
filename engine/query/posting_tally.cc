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

Result<PostingTally::Found> PostingTally::met(const index::Reader& index, const index::List& list,
                                              const index::RowSet* rows, const index::Column& times) const {
  Found found;
  const bool ordered = axis_ == Axis::kRecorded || index.header().in_order;
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
    found.least = times[found.first];
    found.most = times[found.last];
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

Result<void> PostingTally::finish() {
  for (uint32_t id = 0; id < pending_.size(); ++id) {
    const Pending& pending = pending_[id];
    if (!pending.index) continue;
    KHIPU_TRY_ASSIGN(const index::Column times,
                     axis_ == Axis::kOccurred ? pending.index->times() : pending.index->recorded());
    KHIPU_TRY_ASSIGN(const Found found, met(*pending.index, pending.list, nullptr, times));
    Counted end;
    end.first_seq = Row{pending.first_row.value + found.first};
    end.last_seq = Row{pending.first_row.value + found.last};
    end.first = found.least;
    end.last = found.most;
    Tuple key{};
    key[0] = id;
    tally_.add(key, end);
  }
  return {};
}

Result<index::RowSet> PostingTally::add(const snapshot::Part& part, const index::RowSet* rows) {
  const index::Reader& index = *part.index;
  index::RowSet by_record(index.rows());
  KHIPU_TRY_ASSIGN(const index::Column times, axis_ == Axis::kOccurred ? index.times() : index.recorded());
  found_.clear();
  values_.clear();
  const index::Header& header = index.header();
  const bool recorded = axis_ == Axis::kRecorded;
  const TimeUs begins = header.rows == 0 ? 0 : recorded ? times[0] : header.time_min;
  const TimeUs ends = header.rows == 0 ? 0 : recorded ? times[header.rows - 1] : header.time_max;
  const bool behind = rows == nullptr && (recorded || header.in_order) && (!latest_ || begins >= *latest_);
  const bool multiple = by_ == GroupBy::kTarget;
  index::RowSet with(multiple ? index.rows() : 0);  // rows that have a value: of targets there may be none
  Result<void> sound;
  const std::array<uint8_t, 1> prefix = {static_cast<uint8_t>(*field_of(by_))};
  const auto take = [&](Bytes term, const index::List& list) -> Result<void> {
    if (is_word(by_) && term.size() > index::kTextKeySizeMax) return index.add(list, by_record);
    if (multiple) KHIPU_TRY(index.add(list, with));
    Found found;
    const uint32_t id = id_of(term.subspan(1));
    if (behind && id < met_.size() && met_[id]) {
      found.count = list.count;
      found.later = list;
    } else {
      KHIPU_TRY_ASSIGN(found, met(index, list, rows, times));
    }
    if (found.count == 0) return {};
    found.value_from = values_.size();
    found.value_size = term.size() - 1;
    append(values_, term.subspan(1));
    found_.push_back(found);
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
      if (none.count++ == 0) none.first = row;
      none.last = row;
      none.least = std::min(none.least, times[row]);
      none.most = std::max(none.most, times[row]);
      return true;
    });
    if (none.count > 0) found_.push_back(none);
  }
  if (rows != nullptr) by_record &= *rows;

  for (const Found& found : found_) {
    Tuple key{};
    key[0] = id_of(Bytes(values_).subspan(found.value_from, found.value_size));
    Counted counted;
    counted.count = found.count;
    if (key[0] >= met_.size()) met_.resize(std::max<size_t>(2 * met_.size(), key[0] + 1));
    met_[key[0]] = true;
    if (found.later) {
      if (key[0] >= pending_.size()) pending_.resize(std::max<size_t>(2 * pending_.size(), key[0] + 1));
      pending_[key[0]] = {part.index, part.first_row, *found.later};
    } else {
      counted.first_seq = Row{part.first_row.value + found.first};
      counted.last_seq = Row{part.first_row.value + found.last};
      counted.first = found.least;
      counted.last = found.most;
    }
    tally_.add(key, counted);
  }
  latest_ = latest_ ? std::max(*latest_, ends) : ends;
  const uint32_t all = rows != nullptr ? rows->count() : index.rows();
  fits_ = tally_.add_events(all - by_record.count());
  return by_record;
}

}  // namespace khipu::query
