// What the writer must know of every entity to pin and to detect change: its rows, its version number, its fields as
// encoded. Of an entity that an index file names, only where its newest version stands, until somebody asks; of all
// others what replaying their versions gave. The reader side has its own (engine/query/entities.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/record.h"

namespace khipu::registry {

struct EntityState {
  Row entity;   // row of the first version
  Row version;  // row of the current one
  uint64_t version_number = 0;
  bool deleted = false;
  std::string fields;  // the current version's field map, as append_fields encodes it
};

// Open addressing over a dense vector: a look-up of what was read before allocates nothing. Owner: the writer's thread.
class Entities {
 public:
  struct Name {
    std::string_view type, id;
    std::string_view key;  // the same for equal names, different for different ones: what an index knows it by
  };
  struct Read {
    std::string name;  // type | NUL | id
    EntityState state;
  };
  // The version in a registry row.
  using Reader = std::function<Result<Read>(Row version)>;

  // `seed` makes collisions unpredictable to who chooses ids.
  explicit Entities(uint64_t seed = 0) : seed_(seed) {}
  void read_with(Reader reader) { reader_ = std::move(reader); }

  // The index of the entity, or nullopt. Indices stay valid until remove_last(). An error: its version cannot be read.
  Result<std::optional<size_t>> find(const Name& name);
  size_t add(const Name& name, EntityState state);  // must not be there yet
  // What find() will touch lies all over the memory: who knows some names ahead has it brought near, one step at a
  // time, since each step looks at what the one before it brought. Says nothing and changes nothing.
  enum class Step { kSlot, kEntry, kRead, kTexts };
  void bring_near(uint64_t hash, Step step) const;
  uint64_t hash_of(std::string_view key) const;
  // At the start, newest rows first: an entity whose newest version is in that row, unless a newer one is known.
  void add_unread(std::string_view key, Row entity, Row version);
  EntityState& state(size_t index) { return entries_[index].read->state; }  // of what find() or add() gave
  // Takes back the newest add(): a refused batch leaves no trace.
  void remove_last();
  size_t count() const { return entries_.size(); }
  // Looks at all of them: for a change of the schema, not for an event. Errs only to true, for a type of 48 bytes and
  // more.
  bool holds_type(std::string_view type) const;

 private:
  struct Entry {
    uint64_t hash = 0;
    Row entity, version;         // while it was not read
    std::unique_ptr<Read> read;  // nullptr: not yet
  };
  size_t append(Entry entry);
  void grow();

  uint64_t seed_;
  Reader reader_;
  std::set<std::string, std::less<>> unread_types_;  // of add_unread(), by their first 48 bytes
  std::vector<Entry> entries_;
  std::vector<uint32_t> table_;  // index + 1 into entries_, 0 = empty; a power of two, never more than half full
};

}  // namespace khipu::registry
