#include "tests/support/chooser.h"

#include "engine/base/assert.h"

namespace khipu::tests {

SeededChooser::SeededChooser(uint64_t seed) : random_(seed) {
  struct Temper {
    unsigned lost, kept, between, torn;
  };
  static constexpr Temper kTempers[] = {{1, 1, 1, 1}, {1, 0, 0, 0}, {20, 1, 0, 1}, {1, 20, 0, 1},
                                        {1, 1, 0, 8}, {4, 4, 1, 0}, {1, 1, 8, 1},  {0, 12, 0, 1}};
  const Temper& temper = kTempers[random_() % std::size(kTempers)];
  lost_ = temper.lost;
  kept_ = temper.kept;
  between_ = temper.between;
  torn_ = temper.torn;
}

size_t SeededChooser::pick(size_t versions, bool may_tear) {
  KHIPU_ASSERT(versions > 0);
  const unsigned torn = may_tear ? torn_ : 0;
  const unsigned total = lost_ + kept_ + between_ + torn;
  uint64_t ball = random_() % total;
  if (ball < lost_) return 0;
  ball -= lost_;
  if (ball < kept_) return versions - 1;
  ball -= kept_;
  return ball < between_ ? random_() % versions : versions;
}

size_t EveryChoice::pick(size_t versions, bool may_tear) {
  KHIPU_ASSERT(versions > 0);
  const size_t count = versions + (may_tear ? 1 : 0);
  if (position_ == wheels_.size()) wheels_.push_back({0, count});
  // The questions follow from the state and the answers before them: another question here is a disk that changed.
  KHIPU_ASSERT(wheels_[position_].count == count);
  return wheels_[position_++].at;
}

bool EveryChoice::next() {
  position_ = 0;
  noise_ = 0;
  while (!wheels_.empty() && ++wheels_.back().at == wheels_.back().count) wheels_.pop_back();
  return !wheels_.empty();
}

}  // namespace khipu::tests
