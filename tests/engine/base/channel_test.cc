#include "engine/base/channel.h"

#include <memory>
#include <thread>

#include "tests/support/catch.h"

namespace khipu {
namespace {

TEST_CASE("channel: what one thread puts another takes, in order, whoever is faster") {
  Channel<std::unique_ptr<int>> channel(2);
  std::thread putting([&] {
    for (int i = 0; i < 10000; ++i) {
      if (!channel.put(std::make_unique<int>(i))) return;
    }
    channel.close();
  });
  int expected = 0;
  while (auto item = channel.take()) {
    if (**item != expected) break;
    ++expected;
  }
  putting.join();
  CHECK(expected == 10000);
}

TEST_CASE("channel: closed, it gives what is left and takes nothing more") {
  Channel<int> channel(3);
  REQUIRE(channel.put(1));
  REQUIRE(channel.put(2));
  channel.close();
  CHECK(!channel.put(3));
  CHECK(channel.take() == 1);
  CHECK(channel.take() == 2);
  CHECK(channel.take() == std::nullopt);
}

TEST_CASE("channel: abandoned, it lets go of what is in it and of whoever waits to put") {
  auto held = std::make_shared<int>(7);
  Channel<std::shared_ptr<int>> channel(1);
  REQUIRE(channel.put(held));
  bool put = true;
  std::thread putting([&] { put = channel.put(nullptr); });  // waits for room, or comes when it is abandoned
  channel.abandon();
  putting.join();
  CHECK(!put);
  CHECK(held.use_count() == 1);
  CHECK(channel.take() == std::nullopt);
}

}  // namespace
}  // namespace khipu
