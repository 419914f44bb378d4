#include "engine/verify/spare_rows.h"

#include <tuple>

namespace khipu::verify {

void SpareRows::leave(SegmentFacts&& facts) {
  const std::scoped_lock hold(mutex_);
  if (spare_.size() == kKeptMax) return;
  spare_.emplace_back(std::move(facts.leaves), std::move(facts.offsets));
}

void SpareRows::take(std::vector<Hash>& leaves, std::vector<uint64_t>& offsets) {
  const std::scoped_lock hold(mutex_);
  if (spare_.empty()) return;
  std::tie(leaves, offsets) = std::move(spare_.back());
  spare_.pop_back();
  leaves.clear();
  offsets.clear();
}

}  // namespace khipu::verify
