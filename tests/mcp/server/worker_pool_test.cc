// The workers: a bounded queue, and tasks that stay on the thread that brought them.
#include "mcp/server/worker_pool.h"

#include <latch>
#include <thread>

#include "tests/support/catch.h"

using khipu::mcp::server::Task;
using khipu::mcp::server::WorkerPool;

namespace {

// Says that it runs, and goes on until it may end.
class Held final : public Task {
 public:
  Held(std::latch& running, std::latch& may_end) : running_(running), may_end_(may_end) {}
  void run() override {
    running_.count_down();
    may_end_.wait();
  }
  void refuse() override { FAIL("refused"); }

 private:
  std::latch& running_;
  std::latch& may_end_;
};

class Noting final : public Task {
 public:
  void run() override { ran_on = std::this_thread::get_id(); }
  void refuse() override { FAIL("refused"); }
  std::thread::id ran_on;
};

}  // namespace

TEST_CASE("workers: a task stays on its thread only while fewer run than there are workers") {
  std::latch running(2);
  std::latch may_end(1);
  WorkerPool pool(2, 8);
  Noting first;
  REQUIRE(pool.try_run_here(first));
  CHECK(first.ran_on == std::this_thread::get_id());

  pool.submit(std::make_unique<Held>(running, may_end));
  std::thread beside([&] {
    Held held(running, may_end);
    CHECK(pool.try_run_here(held));
  });
  running.wait();
  Noting refused;
  CHECK_FALSE(pool.try_run_here(refused));
  CHECK(refused.ran_on == std::thread::id());

  may_end.count_down();
  beside.join();
  Noting last;
  while (!pool.try_run_here(last)) std::this_thread::yield();  // the worker is about to say that it is free
  CHECK(last.ran_on == std::this_thread::get_id());
}
