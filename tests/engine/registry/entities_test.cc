// The writer's memory of entities against a map, with entities that are read only when they are named.
#include "engine/registry/entities.h"

#include <map>
#include <random>

#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::registry;

namespace {

struct Known {
  std::string type, id;
  uint64_t entity = 0, version = 0;
};
Entities::Name name_of(const Known& known, std::string_view key) { return {known.type, known.id, key}; }

}  // namespace

TEST_CASE("registry: an entity is found by its name whether its version was read or not, and read once") {
  std::mt19937_64 random(7);
  std::map<uint64_t, Known> by_version;
  uint64_t reads = 0;
  Entities entities(11);
  entities.read_with([&](Row row) -> Result<Entities::Read> {
    ++reads;
    const Known& known = by_version.at(row.value);
    Entities::Read read;
    read.name.append(known.type).append(1, '\0').append(known.id);
    read.state.entity = {known.entity};
    read.state.version = row;
    return read;
  });
  std::vector<Known> all;
  for (uint64_t i = 0; i < 5000; ++i) {
    Known known{i % 2 == 0 ? "user" : "service", "id-" + std::to_string(i), i, 100000 - i};
    by_version[known.version] = known;
    all.push_back(known);
  }
  // Keys may say less than names: here 64 of them, so that many names have one.
  const auto key = [](const Known& known) { return std::to_string(known.entity % 64); };
  for (const Known& known : all) {
    if (known.entity % 3 == 0) {
      EntityState state;
      state.entity = {known.entity};
      state.version = {known.version};
      entities.add(name_of(known, key(known)), state);
    } else {
      entities.add_unread(key(known), {known.entity}, {known.version});
      entities.add_unread(key(known), {known.entity}, {known.version - 1});  // an older one: nothing new
    }
  }
  CHECK(entities.count() == all.size());
  for (int round = 0; round < 2; ++round) {
    for (const Known& known : all) {
      const auto found = entities.find(name_of(known, key(known)));
      REQUIRE(found.ok());
      REQUIRE(*found);
      REQUIRE(entities.state(**found).version == Row{known.version});
    }
  }
  CHECK(reads == all.size() - (all.size() + 2) / 3);
  CHECK_FALSE(entities.find({"user", "id-1", "1"}).value());
  const size_t count = entities.count();
  entities.add({"user", "new", "5"}, {});
  CHECK(entities.find({"user", "new", "5"}).value());
  entities.remove_last();
  CHECK_FALSE(entities.find({"user", "new", "5"}).value());
  CHECK(entities.count() == count);
}

TEST_CASE("registry: what cannot be read is an error, and asked for again") {
  bool broken = true;
  Entities entities(1);
  entities.read_with([&](Row) -> Result<Entities::Read> {
    if (broken) return Error{Code::kIo, "no"};
    return Entities::Read{std::string("user\0a", 6), {}};
  });
  entities.add_unread("key", {0}, {3});
  CHECK(entities.find({"user", "a", "key"}).error().code == Code::kIo);
  CHECK_FALSE(entities.find({"user", "a", "other"}).value());
  broken = false;
  CHECK(entities.find({"user", "a", "key"}).value());
}
