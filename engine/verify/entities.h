// The chain of entity versions, rebuilt from registry/: which row is whose, and whether every version follows the one
// before it. Holds no field, no type and no id: a verifier needs their identity only. Of a protected value too: whether
// one that a version repeats is the one that the version before it had, for it was sealed for an older row. No I/O.
#pragma once

#include <condition_variable>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/codec/record.h"
#include "engine/verify/report.h"
#include "engine/verify/sabotage.h"

namespace khipu::verify {

// What one registry row says of itself.
struct VersionFacts {
  bool known = false;  // false: the row could not be read
  bool type_defined = true;
  std::array<uint8_t, 16> name{};  // leaf hash of type, NUL, id, cut
  std::optional<Row> entity, previous, seq;
  uint64_t number = 0;
  struct Value {
    std::array<uint8_t, 16> hash{};  // SHA-256 of the field's name and the value without its origin, cut
    std::optional<Row> origin;       // as the record says it: absent for what was sealed for this row
    bool operator==(const Value&) const = default;
  };
  std::vector<Value> values;  // of protected fields
};
// What is wrong with a protected value; everything else is wrong with the chain. An array: it is known by its address.
inline constexpr char kValueMoved[] =
    "a protected value that is said to be sealed for an older row, and is not the one the version before has";
VersionFacts facts_of(const codec::VersionRecord& version);
// The same but for the name, which is `message` hashed: for who hashes many at once.
VersionFacts facts_without_name(const codec::VersionRecord& version);
void name_message(const codec::VersionRecord& version, Buffer& message);

// Owner: one thread while rows are appended; any thread may look up afterwards.
class Entities {
 public:
  // An incremental run: rows in front of `row` were checked by an earlier one and are not here. What depends on them is
  // kept for look_up.h in needs().
  void start_at(Row row) { first_row_ = row.value; }
  uint64_t first_row() const { return first_row_; }
  struct Need {
    uint64_t row = 0;                             // an old row, which must be a version of
    uint64_t entity = 0;                          // the entity that begins at this row,
    std::optional<uint64_t> number;               // with this number,
    std::optional<std::array<uint8_t, 16>> name;  // of this type and id
    std::optional<VersionFacts::Value> value;     // with this protected value, its origin resolved
    TableId by = TableId::kRegistry;              // whose row depends on it
    uint64_t by_row = 0;
  };
  std::vector<Need>& needs() { return needs_; }

  // So many more rows are about to come.
  void reserve(uint64_t rows);
  // This one soon. Inlined whatever happens: to the compiler a call that only fetches ahead does nothing, and it leaves
  // it out.
  [[gnu::always_inline]] void prefetch(const VersionFacts& facts) const {
    if (!facts.entity && !names_.empty()) __builtin_prefetch(&names_[name_place(facts.name)]);
  }
  // nullptr when the row fits, else what is wrong with it (a template of ours; kValueMoved).
  const char* append(const VersionFacts& facts);
  uint64_t rows() const { return first_row_ + rows_.size(); }

  // nullptr when the pin names a first version and a version of the same entity (or a row that could not be read, which
  // is a finding of its own), else what is wrong.
  const char* check(const codec::Pin& pin) const;
  // Does it pin a first version, which most do? Then check() finds nothing wrong. A bit a row: what every pin of every
  // event asks for stays in a cache that the entities themselves do not fit.
  bool pins_first(const codec::Pin& pin) const {
    const uint64_t index = pin.entity.value - first_row_;  // in front of first_row_ it is greater than any
    return pin.entity == pin.version && index < rows_.size() && (first_versions_[index / 64] >> (index % 64) & 1) != 0;
  }
  // The event that brought each row, for the check against the commit.
  std::optional<Row> seq(Row row) const;

 private:
  const char* append_chain(const VersionFacts& facts);
  const char* carry(const VersionFacts& facts, uint64_t row);
  const char* append_to_old(const VersionFacts& facts, uint64_t row, const char* not_newest);
  struct Entry {
    uint64_t latest = 0;  // first versions: row of the newest one
    uint64_t number = 0;
    uint64_t seq = 0;  // kUnknown: none
    std::array<uint8_t, 16> name{};
  };
  static constexpr uint64_t kUnknown = UINT64_MAX;
  bool add_name(uint64_t index);
  size_t name_place(const std::array<uint8_t, 16>& name) const {
    return load_le<size_t>(name.data()) & (names_.size() - 1);
  }
  void grow_names(size_t size);
  void append_row(uint64_t entity, const Entry& entry);
  // Row by row: the entity, kUnknown where it could not be read.
  std::vector<uint64_t> entity_;
  std::vector<uint64_t> first_versions_;  // bits by row: that is the entity
  std::vector<Entry> rows_;
  // First versions by name: places in rows_ plus one, 0 where there is none, never more than half full. A name is a
  // hash.
  std::vector<uint64_t> names_;
  uint64_t names_count_ = 0;
  uint64_t first_row_ = 0;
  std::unordered_map<uint64_t, uint64_t> old_latest_;  // entities of old rows: their newest row here
  // Entities with protected fields: the values of their newest version here, origins resolved.
  std::unordered_map<uint64_t, std::vector<VersionFacts::Value>> values_;
  std::vector<Need> needs_;
};

// The entities once all of registry/ is in them: logs/ is read beside it. Any thread.
class ReadEntities {
 public:
  ReadEntities() = default;
  explicit ReadEntities(const Entities& all) : told_(true), all_(&all) {}
  // Once. nullptr: registry/ could not be read, and pins are checked against nothing.
  void tell(const Entities* all);
  bool told() const;
  const Entities* wait() const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool told_ = false;
  const Entities* all_ = nullptr;
};

}  // namespace khipu::verify
