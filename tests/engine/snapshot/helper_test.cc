// The helper: work that is shared is done by the time share() returns, and nobody touches it afterwards.
#include "engine/snapshot/helper.h"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

using namespace khipu::snapshot;

TEST_CASE("helper: what several threads share is each done once, and no one works on it afterwards") {
  for (const unsigned threads_max : {1U, 4U}) {
    Helper helper(threads_max);
    std::atomic<uint64_t> wrong{0};
    std::vector<std::thread> askers;
    for (int asker = 0; asker < 4; ++asker) {
      askers.emplace_back([&] {
        for (int round = 0; round < 300; ++round) {
          std::vector<int> done(static_cast<size_t>(round % 7));
          std::atomic<size_t> next{0};
          const auto work = [&] {
            for (size_t i = next.fetch_add(1); i < done.size(); i = next.fetch_add(1)) ++done[i];
          };
          helper.share(work);
          for (const int times : done) wrong += times == 1 ? 0 : 1;
        }
      });
    }
    for (std::thread& asker : askers) asker.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("helper: with more than one processor two threads work at the same time") {
  if (std::thread::hardware_concurrency() < 2) return;
  Helper helper(2);
  std::mutex mutex;
  std::condition_variable changed;
  for (int round = 1; round <= 3; ++round) {
    int entered = 0;
    const auto work = [&] {
      std::unique_lock lock(mutex);
      ++entered;
      changed.notify_all();
      changed.wait(lock, [&] { return entered == 2; });
    };
    helper.share(work);
    CHECK(entered == 2);
  }
}
