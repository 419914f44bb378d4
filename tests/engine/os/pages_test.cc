#include "engine/os/pages.h"

#include "tests/support/catch.h"

namespace khipu::os {
namespace {

TEST_CASE("pages: they are zeroes that can be written, and more than there is cannot be had") {
  const auto pages = Pages::take(3 * 4096 + 1).value();
  for (const size_t at : {size_t{0}, size_t{4096}, size_t{3} * 4096}) {
    CHECK(pages->data()[at] == 0);
    pages->data()[at] = 7;
    CHECK(pages->data()[at] == 7);
  }
  CHECK(Pages::take(0).value()->data() == nullptr);
  CHECK_FALSE(Pages::take(uint64_t{1} << 62).ok());
}

TEST_CASE("pages: where large ones are preferred, what is written stays, and its neighbours too") {
  std::vector<uint8_t> before(5000, 1);
  std::vector<uint64_t> numbers;
  reserve_large(numbers, 1 << 20);
  std::vector<uint8_t> behind(5000, 2);
  CHECK(numbers.empty());
  CHECK(numbers.capacity() == 1 << 20);
  for (uint64_t i = 0; i < 1 << 20; ++i) numbers.push_back(i);
  const uint64_t* const data = numbers.data();
  reserve_large(numbers, 1 << 10);  // there is more
  CHECK(numbers.data() == data);
  reserve_large(numbers, 3 << 20);
  CHECK(numbers.size() == 1 << 20);
  bool same = true;
  for (uint64_t i = 0; i < 1 << 20; ++i) same = same && numbers[i] == i;
  CHECK(same);
  CHECK(before == std::vector<uint8_t>(5000, 1));
  CHECK(behind == std::vector<uint8_t>(5000, 2));
}

}  // namespace
}  // namespace khipu::os
