#include "engine/os/busy_poll.h"

#include <atomic>
#include <chrono>
#include <thread>

#include <sched.h>
#include <unistd.h>

#include "tests/support/catch.h"

namespace {

using khipu::os::BusyPoll;

struct Pipe {
  Pipe() { REQUIRE(::pipe(ends) == 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  void fill() const { REQUIRE(::write(ends[1], "x", 1) == 1); }
  int ends[2];
};

bool has_one_processor() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  return ::sched_getaffinity(0, sizeof usable, &usable) == 0 && CPU_COUNT(&usable) < 2;
}

// Input that came at once. The machine may have taken longer: then again.
void come_quickly(BusyPoll& poll, int descriptor) {
  for (auto took = std::chrono::microseconds::max(); took > std::chrono::microseconds{100};) {
    const auto began = std::chrono::steady_clock::now();
    poll.look(descriptor);
    poll.came();
    took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began);
  }
}

TEST_CASE("busy poll: only behind input that came quickly, and for a short while", "[os]") {
  if (has_one_processor()) SKIP("one processor: nobody looks");
  const Pipe pipe;
  BusyPoll poll;
  pipe.fill();
  CHECK_FALSE(poll.look(pipe.ends[0]));  // nothing has come before

  come_quickly(poll, pipe.ends[0]);
  CHECK(poll.look(pipe.ends[0]));

  const Pipe silent;
  come_quickly(poll, pipe.ends[0]);
  CHECK_FALSE(poll.look(silent.ends[0]));  // and it ended

  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  poll.came();
  CHECK_FALSE(poll.look(pipe.ends[0]));  // the client pauses: the next wait is asleep
}

TEST_CASE("busy poll: one thread of a process looks at a time", "[os]") {
  if (has_one_processor()) SKIP("one processor: nobody looks");
  const Pipe pipe, silent;
  pipe.fill();
  BusyPoll first, second;
  come_quickly(second, pipe.ends[0]);
  std::atomic<bool> is_over = false;
  std::thread other([&] {
    while (!is_over) {
      come_quickly(first, pipe.ends[0]);
      first.look(silent.ends[0]);
    }
  });
  int seen = 0, passed_over = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);  // of a machine that runs them by turns
  while ((seen == 0 || passed_over == 0) && std::chrono::steady_clock::now() < end) {
    come_quickly(second, pipe.ends[0]);
    ++(second.look(pipe.ends[0]) ? seen : passed_over);
  }
  is_over = true;
  other.join();
  CHECK(seen > 0);
  CHECK(passed_over > 0);
}

}  // namespace
