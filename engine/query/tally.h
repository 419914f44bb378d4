// Groups while they are counted: rows in, from a scan or from postings and in any order, groups out. Keys are numbers
// here; texts are kept once. Not here: which rows match (pass.h), what is shown (aggregate.cc).
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "engine/query/aggregate.h"
#include "engine/query/buckets.h"
#include "engine/query/entities.h"
#include "engine/query/matcher.h"

namespace khipu::query {

// The values one key takes, numbered from 1; 0: none.
class KeyValues {
 public:
  uint32_t of(std::string_view text) { return text.empty() ? 0 : of_given(text); }
  uint32_t of_given(std::string_view text);  // also the empty one
  uint32_t of(int64_t number);
  const std::string& text(uint32_t id) const { return *texts_[id - 1]; }
  int64_t number(uint32_t id) const { return numbers_[id - 1]; }
  size_t size() const { return std::max(texts_.size(), numbers_.size()); }
  size_t bytes() const { return bytes_; }

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>> by_text_;
  static constexpr int64_t kFewMax = 1 << 20;
  std::vector<uint32_t> few_;  // of numbers below that, most of what is counted; 0: none
  std::unordered_map<int64_t, uint32_t> by_number_;
  std::vector<const std::string*> texts_;
  std::vector<int64_t> numbers_;
  size_t bytes_ = 0;
};

// Values of the keys asked for, one place each, and of the bucket in the last place.
inline constexpr size_t kBucketPlace = 3;
using Tuple = std::array<uint32_t, 4>;
struct TupleHash {
  size_t operator()(const Tuple& tuple) const {
    uint64_t hash = 0x9E3779B97F4A7C15ULL;
    for (const uint32_t value : tuple) hash = (hash ^ value) * 0xff51afd7ed558ccdULL, hash ^= hash >> 29;
    return hash;
  }
};

struct Counted {
  Tuple key{};
  uint64_t count = 0, previous = 0, distinct = 0;
  Row first_seq{UINT64_MAX}, last_seq;
  TimeUs first = INT64_MAX, last = INT64_MIN;
};

// Owner: one thread, for one answer. Borrows `entities` and the labels.
class Tally {
 public:
  struct Plan {
    std::vector<GroupKey> group_by;
    std::vector<uint32_t> columns;    // ids, by group_by
    std::optional<Interval> buckets;  // of kTime, or of peaks
    Metric metric = Metric::kCount;
    Axis axis = Axis::kOccurred;
    const Labels* labels = nullptr;
    std::vector<Labels::OfVersion> version_labels;  // by registry row, when kFlags is asked for
    size_t memory_bytes_max = 0;
    std::optional<TimeUs> from;  // rows before it are the previous period's ...
    // ... and bucket starts there, those of this period at the same place. When time is a key; a row of a bucket that
    // has none is counted in the total of that period alone.
    std::unordered_map<TimeUs, TimeUs> twins;
  };
  Tally(Plan plan, const Zone& zone, const Entities& entities);
  // Of texts that whoever asks is not shown whole, groups are made by what is shown. `matcher` outlives the tally.
  void show_as(const Matcher& matcher) { matcher_ = matcher.masks() ? &matcher : nullptr; }

  // False: groups take more memory than they may, and counting ends.
  bool add(Row row, const codec::EventRecord& event);
  // The same for groups counted elsewhere: what one of them has more, by the number of its value; then how many events
  // that were, counted once each.
  uint32_t id_of(size_t place, std::string_view text) { return values_[place].of(text); }
  uint32_t id_of(size_t place, int64_t number) { return values_[place].of(number); }
  void add(const Tuple& key, const Counted& more);
  bool add_events(uint64_t events);
  // The keys of one event: each different one once.
  void read(const codec::EventRecord& event, std::vector<Tuple>& keys);

  const std::vector<Counted>& groups() const { return groups_; }
  const KeyValues& values(size_t place) const { return values_[place]; }
  uint64_t events() const { return events_; }
  uint64_t total() const { return total_; }
  uint64_t previous_total() const { return previous_total_; }
  TimeUs time_of(const codec::EventRecord& event) const {
    return plan_.axis == Axis::kOccurred ? event.occurred_at : event.recorded_at;
  }

 private:
  struct PairHash {
    size_t operator()(const std::pair<uint32_t, uint64_t>& pair) const {
      return (pair.second * 0x9E3779B97F4A7C15ULL) ^ (uint64_t{pair.first} * 0xff51afd7ed558ccdULL);
    }
  };
  uint32_t single(size_t place, const codec::EventRecord& event, TimeUs time);
  uint32_t type_of(size_t place, Row entity);
  uint32_t labels_of(const codec::EventRecord& event) const;
  Counted& group(const Tuple& key);
  void count_distinct(const Tuple& key, Counted& group, const codec::EventRecord& event);
  size_t bytes() const;

  Plan plan_;
  Zone zone_;
  const Matcher* matcher_ = nullptr;  // where it masks
  const Entities& entities_;
  std::optional<Buckets> buckets_;
  bool by_time_ = false;
  std::array<KeyValues, 4> values_;
  std::unordered_map<uint64_t, std::string> types_;  // by entity
  std::unordered_map<Tuple, uint32_t, TupleHash> index_;
  std::vector<uint32_t> first_place_;  // of groups whose key is in the first place alone: number plus one, by its value
  std::vector<Counted> groups_;
  std::unordered_set<std::pair<uint32_t, uint64_t>, PairHash> distinct_;  // group, entity
  std::vector<Tuple> keys_;
  uint64_t events_ = 0, total_ = 0, previous_total_ = 0;
};

}  // namespace khipu::query
