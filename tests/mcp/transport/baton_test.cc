// The baton that the readers of stdio pass: one holder at a time, and nobody waits for one who is busy.
#include "mcp/transport/baton.h"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

using khipu::mcp::transport::Baton;

namespace {

constexpr std::chrono::hours kForEver{24};
constexpr std::chrono::microseconds kAtOnce{50};

// Until somebody else waits in take().
uint64_t offer_to_somebody(Baton& baton) {
  uint64_t offer = 0;
  while ((offer = baton.offer()) == 0) std::this_thread::yield();
  return offer;
}

}  // namespace

TEST_CASE("baton: it is free at first, and without anybody who waits it cannot be offered") {
  Baton baton(kAtOnce);
  REQUIRE(baton.take());
  CHECK(baton.offer() == 0);
  CHECK(baton.offer() == 0);
}

TEST_CASE("baton: an offer within the patience stays with its holder") {
  Baton baton(kForEver);
  REQUIRE(baton.take());
  std::atomic<bool> is_over = false;
  std::thread other([&] {
    CHECK_FALSE(baton.take());
    is_over = true;
  });
  for (int round = 0; round < 100; ++round) CHECK(baton.reclaim(offer_to_somebody(baton)));
  CHECK_FALSE(is_over);
  baton.end();
  other.join();
  CHECK_FALSE(baton.take());
}

TEST_CASE("baton: an offer that outlasts the patience is taken, once, and the holder has to wait in turn") {
  Baton baton(kAtOnce);
  REQUIRE(baton.take());
  std::atomic<bool> has_it = false;
  std::atomic<bool> may_go_on = false;
  std::thread other([&] {
    REQUIRE(baton.take());
    has_it = true;
    while (!may_go_on) std::this_thread::yield();
    offer_to_somebody(baton);
  });
  const uint64_t offer = offer_to_somebody(baton);
  while (!has_it) std::this_thread::yield();
  CHECK_FALSE(baton.reclaim(offer));
  may_go_on = true;
  REQUIRE(baton.take());
  other.join();
}

TEST_CASE("baton: what a holder wrote is what the next one reads, however often it changes hands") {
  constexpr int kTurns = 200;
  Baton baton(kAtOnce);
  int64_t total = 0;  // of whoever holds the baton
  std::atomic<int64_t> expected = 0;
  std::atomic<int> handed_over = 0;
  const auto work = [&] {
    while (baton.take()) {
      for (bool is_holder = true; is_holder;) {
        ++total, ++expected;
        if (handed_over >= kTurns) return baton.end();
        const uint64_t offer = baton.offer();
        if (offer == 0) continue;
        if (expected % 2 == 0) {
          is_holder = baton.reclaim(offer);
        } else {
          // Busy for as long as it takes the other to notice: the next take() cannot succeed before that.
          is_holder = false;
          ++handed_over;
        }
      }
    }
  };
  std::thread one(work), two(work);
  one.join(), two.join();
  CHECK(total == expected);
  CHECK(handed_over >= kTurns);
}
