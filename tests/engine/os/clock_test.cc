#include "engine/os/clock.h"

#include "engine/base/bytes.h"
#include "engine/os/process.h"
#include "tests/support/catch.h"

namespace khipu::os {
namespace {

TEST_CASE("clock: microseconds of this century, and time since boot that does not go back") {
  CHECK(system_clock().now() > 1700000000000000);
  CHECK(system_clock().now() < 4102444800000000);
  const int64_t before = system_clock().boot_us();
  CHECK(system_clock().boot_us() >= before);
}

TEST_CASE("random: every byte is filled, and differently each time") {
  Buffer one(4096), two(4096);
  system_random().fill(one);
  system_random().fill(two);
  CHECK(one != two);
  CHECK(std::count(one.begin(), one.end(), 0) < 64);
  system_random().fill({});
}

TEST_CASE("process: it has an id and the machine a name") {
  CHECK(process_id() > 0);
  CHECK_FALSE(host_name().empty());
}

}  // namespace
}  // namespace khipu::os
