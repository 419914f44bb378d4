#include "engine/query/source_tally.h"

#include <algorithm>

#include "engine/base/time.h"

namespace khipu::query {
namespace {

constexpr int64_t kStepUs = kMicrosPerSecond;  // the least step back that is told: below it records only overtook
constexpr size_t kStepsMax = 20, kGapsMax = 20, kControlMax = 50;
constexpr int64_t kHourUs = 3600 * kMicrosPerSecond;
constexpr size_t kDaysMin = 3;  // with fewer there is no daily rhythm to see

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

// The least value that a histogram of twelve significant bits does not tell from `ms`.
int64_t lag_bin(int64_t ms) {
  const bool negative = ms < 0;
  uint64_t size = static_cast<uint64_t>(negative ? -ms : ms);
  unsigned shift = 0;
  while ((size >> shift) >= 4096) ++shift;
  size = size >> shift << shift;
  return negative ? -static_cast<int64_t>(size) : static_cast<int64_t>(size);
}

int64_t median(std::vector<int64_t>& values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

void SourceTally::add(Row seq, const codec::EventRecord& event, std::optional<uint64_t> number, TimeUs day,
                      int64_t slot_us) {
  const TimeUs time = event.occurred_at;
  if (facts_.events++ == 0) {
    first_row_ = seq;
    facts_.first = facts_.last = before_ = time;
  }
  facts_.first = std::min(facts_.first, time);
  facts_.last = std::max(facts_.last, time);
  ++days_[day];
  const auto [slot, added] = slots_.try_emplace(floor_div(time, slot_us), Slot{time, time, 0});
  slot->second.least = std::min(slot->second.least, time);
  slot->second.most = std::max(slot->second.most, time);
  ++slot->second.events;
  const int64_t lag_us = event.recorded_at - time;
  ++lags_[lag_bin(floor_div(lag_us, 1000))];
  lag_max_us_ = std::max(lag_max_us_, lag_us);
  if (before_ - time >= kStepUs) {
    if (facts_.steps_total++ < kStepsMax) facts_.steps.push_back({seq, before_ - time});
  }
  before_ = time;
  if (number) {
    facts_.numbered = true;
    // A smaller number is a counter that began anew, which says nothing of what is missing.
    if (number_ && *number > *number_ + 1) {
      facts_.numbers_missing += *number - *number_ - 1;
      if (facts_.gaps_total++ < kGapsMax) facts_.gaps.push_back({seq, *number_, *number});
    }
    number_ = number;
  }
  if (event.action_class == codec::ActionClass::kLogControl && facts_.log_control_total++ < kControlMax) {
    facts_.log_control.push_back(seq);
  }
}

void SourceTally::join_slots(int64_t slot_us) {
  std::map<int64_t, Slot> joined;
  for (const auto& [number, slot] : slots_) {
    const auto [found, added] = joined.try_emplace(floor_div(slot.least, slot_us), slot);
    if (added) continue;
    found->second.least = std::min(found->second.least, slot.least);
    found->second.most = std::max(found->second.most, slot.most);
    found->second.events += slot.events;
  }
  slots_ = std::move(joined);
}

int64_t SourceTally::usual_gap() const {
  std::vector<int64_t> gaps, longest;
  auto day = days_.begin();
  for (auto slot = slots_.begin(); slot != slots_.end() && std::next(slot) != slots_.end(); ++slot) {
    const TimeUs from = slot->second.most;
    gaps.push_back(std::next(slot)->second.least - from);
    const auto here = std::prev(days_.upper_bound(std::max(from, days_.begin()->first)));
    if (longest.empty() || here != day) longest.push_back(0);
    day = here;
    longest.back() = std::max(longest.back(), gaps.back());
  }
  if (gaps.empty()) return kHourUs;
  const bool daily = days_.size() >= kDaysMin && longest.size() >= kDaysMin;
  const int64_t usual = daily ? median(longest) / 2 * 3 : median(gaps) * 10;
  return std::max(kHourUs, usual);
}

int64_t SourceTally::lag_at(uint64_t rank) const {
  std::vector<std::pair<int64_t, uint64_t>> lags(lags_.begin(), lags_.end());
  std::sort(lags.begin(), lags.end());
  uint64_t seen = 0;
  for (const auto& [ms, count] : lags) {
    seen += count;
    if (seen >= rank) return ms;
  }
  return 0;
}

SourceCoverage SourceTally::finish(const Window& window) {
  facts_.silent_after_us = window.silent_after ? *window.silent_after : usual_gap();
  const auto silent = [&](TimeUs from, TimeUs to) {
    if (to - from > facts_.silent_after_us) facts_.silent.push_back({from, to});
  };
  if (window.from) silent(*window.from, facts_.first);
  for (auto slot = slots_.begin(); slot != slots_.end() && std::next(slot) != slots_.end(); ++slot) {
    silent(slot->second.most, std::next(slot)->second.least);
  }
  silent(facts_.last, window.until);
  for (const auto& [day, events] : days_) facts_.days.push_back({day, events});
  // Nearest rank: the least lag that at least so many do not exceed.
  facts_.lag_p50_ms = lag_at((facts_.events + 1) / 2);
  facts_.lag_p99_ms = lag_at(facts_.events - facts_.events / 100);
  facts_.lag_max_ms = floor_div(lag_max_us_, 1000);
  return std::move(facts_);
}

}  // namespace khipu::query
