#include "engine/query/tally.h"

#include <algorithm>

#include "engine/query/canonical_json.h"

namespace khipu::query {
namespace {

// What an entry costs in a hash table besides its own bytes: node, bucket, allocator.
constexpr size_t kEntryBytes = 48;

bool multiple(GroupBy by) { return by == GroupBy::kTarget || by == GroupBy::kTargetType || by == GroupBy::kFlags; }

}  // namespace

uint32_t KeyValues::of_given(std::string_view text) {
  const auto found = by_text_.find(text);
  if (found != by_text_.end()) return found->second;
  const auto added = by_text_.emplace(std::string(text), static_cast<uint32_t>(texts_.size() + 1)).first;
  texts_.push_back(&added->first);
  bytes_ += text.size() + sizeof(std::string) + kEntryBytes;
  return added->second;
}

uint32_t KeyValues::of(int64_t number) {
  if (number >= 0 && number < kFewMax) {
    const auto place = static_cast<size_t>(number);
    if (place >= few_.size()) {
      bytes_ -= few_.size() * sizeof(uint32_t);
      few_.resize(std::max(2 * few_.size(), place + 1));
      bytes_ += few_.size() * sizeof(uint32_t);
    }
    if (few_[place] == 0) {
      numbers_.push_back(number);
      bytes_ += sizeof number;
      few_[place] = static_cast<uint32_t>(numbers_.size());
    }
    return few_[place];
  }
  const auto [found, added] = by_number_.try_emplace(number, static_cast<uint32_t>(numbers_.size() + 1));
  if (added) {
    numbers_.push_back(number);
    bytes_ += sizeof number + kEntryBytes;
  }
  return found->second;
}

Tally::Tally(Plan plan, const Zone& zone, const Entities& entities)
    : plan_(std::move(plan)), zone_(zone), entities_(entities) {
  if (plan_.buckets) buckets_.emplace(zone_, *plan_.buckets);
  by_time_ = std::any_of(plan_.group_by.begin(), plan_.group_by.end(),
                         [](const GroupKey& key) { return key.by == GroupBy::kTime; });
}

uint32_t Tally::type_of(size_t place, Row entity) {
  auto found = types_.find(entity.value);
  if (found == types_.end()) found = types_.emplace(entity.value, entities_.type_of(entity)).first;
  return values_[place].of(std::string_view(found->second));
}

uint32_t Tally::labels_of(const codec::EventRecord& event) const {
  uint32_t bits = plan_.labels->of_event(event);
  const auto of_version = [&](Row row) {
    return row.value < plan_.version_labels.size() ? plan_.version_labels[row.value] : Labels::OfVersion{};
  };
  bits |= of_version(event.actor.version).as_actor;
  for (const codec::Pin& target : event.targets) bits |= of_version(target.version).as_target;
  return bits;
}

uint32_t Tally::single(size_t place, const codec::EventRecord& event, TimeUs time) {
  KeyValues& values = values_[place];
  switch (plan_.group_by[place].by) {
    case GroupBy::kActor: return values.of(static_cast<int64_t>(event.actor.entity.value));
    case GroupBy::kActorType: return type_of(place, event.actor.entity);
    case GroupBy::kAction: return values.of(event.action);
    case GroupBy::kActionClass: return values.of(static_cast<int64_t>(event.action_class));
    case GroupBy::kOutcome: return values.of(static_cast<int64_t>(event.outcome));
    case GroupBy::kUrl:
      return matcher_ == nullptr ? values.of(event.url)
                                 : values.of(std::string_view(matcher_->shown(event, event.url, true)));
    case GroupBy::kSource: return values.of(event.source);
    case GroupBy::kSourceIp: return values.of(event.source_ip);
    case GroupBy::kHourOfDay: {
      const int64_t hour = zone_.local(time).time_of_day_us / (3600 * kMicrosPerSecond);
      return values.of(hour);
    }
    case GroupBy::kWeekday: {
      const int64_t days = days_from_civil(zone_.local(time).date);
      return values.of(((days + 3) % 7 + 7) % 7);  // 0 is Monday
    }
    case GroupBy::kColumn:
      for (const codec::ColumnValue& value : event.custom) {
        if (value.column != plan_.columns[place]) continue;
        const std::string text = comparable_text(value.value);
        if (matcher_ == nullptr || matcher_->hides_column(value.column)) return values.of_given(text);
        return values.of_given(matcher_->shown(event, text, false));
      }
      return 0;
    default: return 0;  // kTime has a place of its own; the others are multiple
  }
}

void Tally::read(const codec::EventRecord& event, std::vector<Tuple>& keys) {
  const TimeUs time = time_of(event);
  Tuple base{};
  if (buckets_) {
    const TimeUs start = buckets_->of(time).start;
    if (!plan_.from || time >= *plan_.from) {
      base[kBucketPlace] = values_[kBucketPlace].of(start);
    } else if (const auto twin = plan_.twins.find(start); twin != plan_.twins.end()) {
      base[kBucketPlace] = values_[kBucketPlace].of(twin->second);
    }
  }
  bool by_target = false, by_flags = false;
  for (size_t place = 0; place < plan_.group_by.size(); ++place) {
    const GroupBy by = plan_.group_by[place].by;
    by_target |= by == GroupBy::kTarget || by == GroupBy::kTargetType;
    by_flags |= by == GroupBy::kFlags;
    if (!multiple(by)) base[place] = single(place, event, time);
  }
  keys.assign(1, base);
  const auto set = [&](Tuple& key, GroupBy by, auto value) {
    for (size_t place = 0; place < plan_.group_by.size(); ++place) {
      if (plan_.group_by[place].by == by) key[place] = value(place);
    }
  };
  if (by_target && !event.targets.empty()) {
    keys.clear();
    for (const codec::Pin& target : event.targets) {
      keys.push_back(base);
      set(keys.back(), GroupBy::kTarget,
          [&](size_t place) { return values_[place].of(static_cast<int64_t>(target.entity.value)); });
      set(keys.back(), GroupBy::kTargetType, [&](size_t place) { return type_of(place, target.entity); });
    }
  }
  if (by_flags) {
    const uint32_t bits = labels_of(event);
    const std::vector<Tuple> without = keys;
    if (bits != 0) keys.clear();
    for (size_t bit = 0; bit < plan_.labels->names.size() && bits != 0; ++bit) {
      if ((bits >> bit & 1) == 0) continue;
      for (Tuple key : without) {
        set(key, GroupBy::kFlags, [&](size_t place) { return values_[place].of(static_cast<int64_t>(bit)); });
        keys.push_back(key);
      }
    }
  }
  if (keys.size() > 1) {
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  }
}

Counted& Tally::group(const Tuple& key) {
  if (key[1] == 0 && key[2] == 0 && key[3] == 0) {
    if (key[0] >= first_place_.size()) first_place_.resize(std::max<size_t>(2 * first_place_.size(), key[0] + 1));
    uint32_t& number = first_place_[key[0]];
    if (number == 0) {
      index_.emplace(key, static_cast<uint32_t>(groups_.size()));
      groups_.emplace_back();
      groups_.back().key = key;
      number = static_cast<uint32_t>(groups_.size());
    }
    return groups_[number - 1];
  }
  const auto [found, added] = index_.try_emplace(key, static_cast<uint32_t>(groups_.size()));
  if (added) {
    groups_.emplace_back();
    groups_.back().key = key;
  }
  return groups_[found->second];
}

void Tally::count_distinct(const Tuple& key, Counted& group, const codec::EventRecord& event) {
  const uint32_t number = index_.find(key)->second;
  const auto meet = [&](Row entity) { group.distinct += distinct_.emplace(number, entity.value).second ? 1 : 0; };
  if (plan_.metric == Metric::kDistinctActor) meet(event.actor.entity);
  if (plan_.metric != Metric::kDistinctTarget) return;
  for (const codec::Pin& target : event.targets) meet(target.entity);
}

size_t Tally::bytes() const {
  size_t bytes = groups_.capacity() * sizeof(Counted) + first_place_.capacity() * sizeof(uint32_t) +
                 index_.size() * (sizeof(Tuple) + kEntryBytes) + distinct_.size() * (16 + kEntryBytes) +
                 types_.size() * (sizeof(std::string) + kEntryBytes);
  for (const KeyValues& values : values_) bytes += values.bytes();
  return bytes;
}

void Tally::add(const Tuple& key, const Counted& more) {
  Counted& counted = group(key);
  counted.count += more.count;
  counted.first_seq = std::min(counted.first_seq, more.first_seq);
  counted.last_seq = std::max(counted.last_seq, more.last_seq);
  counted.first = std::min(counted.first, more.first);
  counted.last = std::max(counted.last, more.last);
  total_ += more.count;
}

bool Tally::add_events(uint64_t events) {
  events_ += events;
  return bytes() <= plan_.memory_bytes_max;
}

bool Tally::add(Row row, const codec::EventRecord& event) {
  const TimeUs time = time_of(event);
  const bool before = plan_.from && time < *plan_.from;
  read(event, keys_);
  const size_t known = groups_.size();
  for (const Tuple& key : keys_) {
    if (before && by_time_ && key[kBucketPlace] == 0) continue;
    Counted& counted = group(key);
    if (before) {
      ++counted.previous;
      continue;
    }
    ++counted.count;
    counted.first_seq = std::min(counted.first_seq, row);
    counted.last_seq = std::max(counted.last_seq, row);
    counted.first = std::min(counted.first, time);
    counted.last = std::max(counted.last, time);
    if (plan_.metric == Metric::kDistinctActor || plan_.metric == Metric::kDistinctTarget) {
      count_distinct(key, counted, event);
    }
  }
  if (before) {
    previous_total_ += keys_.size();
  } else {
    ++events_;
    total_ += keys_.size();
  }
  // Looked at when something new came: a set of one more entity is bounded by the entities, and looked at by the row.
  return (groups_.size() == known && row.value % 1024 != 0) || bytes() <= plan_.memory_bytes_max;
}

}  // namespace khipu::query
