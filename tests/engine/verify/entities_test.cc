// What a pin may name, and the short way to know it.
#include "engine/verify/entities.h"

#include <random>

#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::verify;

TEST_CASE("entities: a pin of a first version is known by a bit, and only such a one") {
  for (const uint64_t start : {uint64_t{0}, uint64_t{1}, uint64_t{1000}}) {
    std::mt19937_64 random(start + 1);
    Entities entities;
    entities.start_at(Row{start});
    std::vector<uint64_t> entity_of;  // UINT64_MAX: the row could not be read
    for (uint64_t i = 0; i < 700; ++i) {
      if (i == 100) entities.reserve(600);
      const uint64_t row = start + i;
      VersionFacts facts;
      facts.known = random() % 10 != 0;
      std::memcpy(facts.name.data(), &i, sizeof i);
      uint64_t entity = row;
      if (facts.known && i > 0 && random() % 3 == 0) {
        entity = random() % 5 == 0 ? random() % (start + 1) : start + random() % i;
        facts.entity = Row{entity};
        facts.previous = Row{entity};
      }
      if (facts.entity == Row{row}) facts.entity.reset();
      entity_of.push_back(facts.known ? entity : UINT64_MAX);
      (void)entities.append(facts);
    }
    for (uint64_t row = 0; row < start + 800; ++row) {
      const bool first = row >= start && row - start < entity_of.size() && entity_of[row - start] == row;
      INFO(start << " " << row);
      CHECK(entities.pins_first({Row{row}, Row{row}}) == first);
      CHECK_FALSE(entities.pins_first({Row{row}, Row{row + 1}}));
      if (first) CHECK(entities.check({Row{row}, Row{row}}) == nullptr);
    }
    CHECK_FALSE(entities.pins_first({Row{UINT64_MAX}, Row{UINT64_MAX}}));
  }
}
