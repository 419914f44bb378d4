// A scoped engine over sealed and indexed segments: the index knows no callers, and nothing is counted from it alone.
#include "engine/query/scope.h"

#include "tests/engine/query/test_log.h"

using namespace khipu;
using namespace khipu::query;
using namespace khipu::query::tests;

TEST_CASE("scope: totals over indexed segments hold the caller's events alone") {
  TestLog log(4096);
  for (int i = 0; i < 120; ++i) {
    log.add({.actor = user("u-1"), .action = i % 2 == 0 ? "GET" : "PUT", .source = i % 3 == 0 ? "billing" : "other"});
  }
  log.wait_until_indexed();
  const std::unique_ptr<Engine> scoped = log.engine().scoped({.types = {}, .sources = {"billing"}, .tenants = {}});
  EventRequest request;
  request.filter = Filter{};
  request.filter->where.actions = {"GET"};
  request.limit = 5;
  CHECK(good(log.engine().events(request)).total == 60);
  CHECK(good(scoped->events(request)).total == 20);
  request.filter->where.sources = {"other"};
  CHECK(good(scoped->events(request)).total == 0);
}
