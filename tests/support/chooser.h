// Who decides what a power loss leaves: at random from a seed, or every way in turn. Used by FakeDisk::power_loss().
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace khipu::tests {

class Chooser {
 public:
  virtual ~Chooser() = default;
  // One of `versions` (0 is the oldest, what was last made durable; versions - 1 the newest, what was last written), or
  // `versions` itself for a torn mix, only if may_tear.
  virtual size_t pick(size_t versions, bool may_tear) = 0;
  // Where a tear lies and what its garbage is. Not enumerated.
  virtual uint64_t noise() = 0;
};

// The seed also draws a temper: most lost, most kept, most torn or all alike, because independent even choices over
// many sectors would never lose or keep nearly everything.
class SeededChooser final : public Chooser {
 public:
  explicit SeededChooser(uint64_t seed);
  size_t pick(size_t versions, bool may_tear) override;
  uint64_t noise() override { return random_(); }

 private:
  std::mt19937_64 random_;
  unsigned lost_ = 1, kept_ = 1, between_ = 1, torn_ = 1;  // weights
};

// do { disk.clone()->power_loss(every); ... } while (every.next());
class EveryChoice final : public Chooser {
 public:
  size_t pick(size_t versions, bool may_tear) override;
  uint64_t noise() override { return 0x9e3779b97f4a7c15 * ++noise_; }
  // Moves to the next combination; false when all have been seen.
  bool next();

 private:
  struct Wheel {
    size_t at = 0;
    size_t count = 0;
  };
  std::vector<Wheel> wheels_;
  size_t position_ = 0;
  uint64_t noise_ = 0;
};

}  // namespace khipu::tests
