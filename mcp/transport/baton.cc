#include "mcp/transport/baton.h"

namespace khipu::mcp::transport {
namespace {

// An idle server does not tick: after so many looks that saw no new offer, the next offer wakes whoever waits.
constexpr int kIdleLooksMax = 20;

}  // namespace

bool Baton::take() {
  std::unique_lock lock(mutex_);
  ++waiting_;
  uint64_t seen = kHeld;
  uint64_t last_seen = 0;
  int idle_looks = 0;
  while (!ended_) {
    uint64_t offer = offer_;
    if (offer == kFree || (offer != kHeld && offer == seen)) {
      if (!offer_.compare_exchange_strong(offer, kHeld)) continue;
      --waiting_;
      return true;
    }
    seen = offer;
    const uint64_t last = last_;
    idle_looks = last == last_seen ? idle_looks + 1 : 0;
    last_seen = last;
    if (idle_looks < kIdleLooksMax) {
      changed_.wait_for(lock, patience_);
      continue;
    }
    // Either offer() sees us asleep, or we see its offer: both are sequentially consistent.
    asleep_ = true;
    if (offer_ == kHeld) changed_.wait(lock, [this] { return ended_ || !asleep_; });
    asleep_ = false;
    idle_looks = 0;
  }
  --waiting_;
  return false;
}

uint64_t Baton::offer() {
  if (waiting_ == 0) return 0;
  const uint64_t offer = last_ + 1;
  last_ = offer;
  offer_ = offer;
  if (asleep_) {
    {
      const std::lock_guard lock(mutex_);
      asleep_ = false;
    }
    changed_.notify_all();
  }
  return offer;
}

bool Baton::reclaim(uint64_t offer) { return offer_.compare_exchange_strong(offer, kHeld); }

void Baton::end() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
}

}  // namespace khipu::mcp::transport
