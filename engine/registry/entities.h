// What the writer must know of every entity to pin and to detect change: its rows, its version number, its fields as
// encoded. Filled by replaying registry/; the reader side has its own (engine/query/entities.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/codec/record.h"

namespace khipu::registry {

struct EntityState {
  Row entity;   // row of the first version
  Row version;  // row of the current one
  uint64_t version_number = 0;
  bool deleted = false;
  std::string fields;  // the current version's field map, as append_fields encodes it
};

// Open addressing over a dense vector: a look-up allocates nothing. Owner: the writer's thread.
class Entities {
 public:
  // `seed` makes collisions unpredictable to who chooses ids.
  explicit Entities(uint64_t seed = 0) : seed_(seed) {}

  // The index of (type, id), or nullopt. Indices stay valid until remove_last().
  std::optional<size_t> find(std::string_view type, std::string_view id) const;
  size_t add(std::string_view type, std::string_view id, EntityState state);  // must not be there yet
  EntityState& state(size_t index) { return entries_[index].state; }
  const EntityState& state(size_t index) const { return entries_[index].state; }
  // Takes back the newest add(): a refused batch leaves no trace.
  void remove_last();
  size_t count() const { return entries_.size(); }
  // Looks at all of them: for a change of the schema, not for an event.
  bool holds_type(std::string_view type) const;

 private:
  struct Entry {
    uint64_t hash = 0;
    std::string key;  // type | NUL | id
    EntityState state;
  };
  uint64_t hash_of(std::string_view type, std::string_view id) const;
  size_t probe(uint64_t hash, std::string_view type, std::string_view id) const;
  void grow();

  uint64_t seed_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> table_;  // index + 1 into entries_, 0 = empty; a power of two
};

}  // namespace khipu::registry
