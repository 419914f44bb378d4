#include "engine/query/near.h"

#include "tests/support/catch.h"

using namespace khipu::query;

TEST_CASE("near: a slip of the hand is found, another word is not") {
  const std::vector<std::string> words = {"account", "user", "document"};
  CHECK(nearest("acount", words) == "account");
  CHECK(nearest("USER", words) == "user");
  CHECK(nearest("usr", words) == "user");
  CHECK(nearest("invoice", words).empty());
  CHECK(nearest("", words).empty());
}
