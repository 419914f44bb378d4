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

}  // namespace
}  // namespace khipu::os
