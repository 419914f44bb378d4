#include "engine/verify/entities.h"

#include <algorithm>
#include <bit>

#include "engine/codec/protected.h"
#include "engine/crypto/hash.h"
#include "engine/tree/tree.h"

namespace khipu::verify {

static constexpr const char* kNotNext = "a version number that does not follow the one before";

static constexpr uint8_t kSeparator[1] = {0};

void name_message(const codec::VersionRecord& version, Buffer& message) {
  message.clear();
  append(message, as_bytes(version.type));
  append(message, kSeparator);
  append(message, as_bytes(version.id));
}

VersionFacts facts_of(const codec::VersionRecord& version) {
  VersionFacts facts = facts_without_name(version);
  Buffer message;
  name_message(version, message);
  const Hash hash = tree::leaf_hash(message);
  std::memcpy(facts.name.data(), hash.data(), facts.name.size());
  return facts;
}

VersionFacts facts_without_name(const codec::VersionRecord& version) {
  VersionFacts facts;
  facts.known = true;
  facts.entity = version.entity;
  facts.previous = version.previous;
  facts.seq = version.seq;
  facts.number = version.version;
  Buffer encoded;
  for (const codec::NamedValue& field : version.fields) {
    if (!field.value.is_protected()) continue;
    Result<codec::ProtectedValue> value = codec::decode_protected(as_bytes(field.value.text));
    if (!value.ok()) continue;  // a record that decodes holds no such
    VersionFacts::Value& mine = facts.values.emplace_back();
    mine.origin = std::exchange(value->origin, std::nullopt);
    encoded.clear();
    codec::append_protected(encoded, *value);
    const Hash of_value = crypto::sha256({as_bytes(field.name), kSeparator, encoded});
    std::memcpy(mine.hash.data(), of_value.data(), mine.hash.size());
  }
  return facts;
}

const char* Entities::append(const VersionFacts& facts) {
  const uint64_t row = rows();
  const char* wrong = append_chain(facts);
  if (wrong != nullptr || !facts.known) return wrong;
  return carry(facts, row);
}

// A writer that cannot read what it wrote repeats it: byte for byte, from the version before. So a value of another
// field, version or entity that was put there is found without any key.
const char* Entities::carry(const VersionFacts& facts, uint64_t row) {
  const uint64_t first = facts.entity ? facts.entity->value : row;
  const auto known = values_.find(first);
  if (facts.values.empty() && known == values_.end()) return nullptr;
  // What the version before had is known unless that is an old row (then it is asked for), or could not be read.
  const bool old = facts.previous && facts.previous->value < first_row_;
  const bool unread = facts.previous && !old && entity_[facts.previous->value - first_row_] == kUnknown;
  const char* wrong = nullptr;
  std::vector<VersionFacts::Value> now = facts.values;
  for (VersionFacts::Value& value : now) {
    if (!value.origin) {
      value.origin = Row{row};
    } else if (old) {
      needs_.push_back({facts.previous->value, first, std::nullopt, std::nullopt, value, TableId::kRegistry, row});
    } else if (!unread) {
      const bool there =
          known != values_.end() && std::find(known->second.begin(), known->second.end(), value) != known->second.end();
      if (amiss(!there)) wrong = kValueMoved;
    }
  }
  values_[first] = std::move(now);
  return wrong;
}

// False: a first version in front of it has that name.
bool Entities::add_name(uint64_t index) {
  if (2 * (names_count_ + 1) > names_.size()) grow_names(2 * names_.size());
  const std::array<uint8_t, 16>& name = rows_[index].name;
  size_t place = name_place(name);
  for (; names_[place] != 0; place = (place + 1) & (names_.size() - 1)) {
    if (rows_[names_[place] - 1].name == name) return false;
  }
  names_[place] = index + 1;
  ++names_count_;
  return true;
}

void Entities::grow_names(size_t size) {
  constexpr size_t kSizeMin = 1024;
  const std::vector<uint64_t> before = std::exchange(names_, std::vector<uint64_t>(std::max(kSizeMin, size)));
  for (const uint64_t known : before) {
    if (known == 0) continue;
    size_t place = name_place(rows_[known - 1].name);
    while (names_[place] != 0) place = (place + 1) & (names_.size() - 1);
    names_[place] = known;
  }
}

void Entities::reserve(uint64_t rows) {
  if (rows_.size() + rows <= rows_.capacity()) return;
  const uint64_t capacity = std::max<uint64_t>(rows_.size() + rows, 2 * rows_.size());
  rows_.reserve(capacity);
  entity_.reserve(capacity);
  const uint64_t names = std::bit_ceil(2 * (names_count_ + rows + 1));
  if (names > names_.size()) grow_names(names);
}

void Entities::append_row(uint64_t entity, const Entry& entry) {
  const uint64_t row = rows(), index = rows_.size();
  if (index % 64 == 0) first_versions_.push_back(0);
  if (entity == row) first_versions_.back() |= uint64_t{1} << (index % 64);
  entity_.push_back(entity);
  rows_.push_back(entry);
}

const char* Entities::append_chain(const VersionFacts& facts) {
  const uint64_t row = rows();
  Entry entry;
  entry.seq = kUnknown;
  if (!facts.known) {
    append_row(kUnknown, entry);
    return nullptr;
  }
  entry.latest = row;
  entry.number = facts.number;
  if (facts.seq) entry.seq = facts.seq->value;
  entry.name = facts.name;
  append_row(facts.entity ? facts.entity->value : row, entry);
  if (amiss(!facts.type_defined)) return "a version of a type that no TYPE statement defines";
  if (!facts.entity) {
    const bool fresh = add_name(rows_.size() - 1);
    return amiss(!fresh) ? "a second first version of the same entity" : nullptr;
  }
  if (*facts.entity >= Row{row} || *facts.previous >= Row{row}) {
    return amiss(true) ? "a version that names a later row" : nullptr;
  }
  const uint64_t first = facts.entity->value, previous = facts.previous->value;
  constexpr const char* kNotNewest = "a version that does not follow the entity's newest one";
  if (first < first_row_) return append_to_old(facts, row, kNotNewest);
  if (entity_[first - first_row_] == kUnknown) return nullptr;  // that row is reported already
  if (entity_[first - first_row_] != first) {
    return amiss(true) ? "a version whose entity row is not a first version" : nullptr;
  }
  Entry& of_first = rows_[first - first_row_];
  if (amiss(of_first.name != facts.name)) return "a version whose type and id are not those of its entity";
  const uint64_t latest = std::exchange(of_first.latest, row);
  if (previous >= first && entity_[previous - first_row_] == kUnknown) return nullptr;  // reported already
  if (amiss(latest != previous)) return kNotNewest;
  return amiss(rows_[latest - first_row_].number + 1 != facts.number) ? kNotNext : nullptr;
}

const char* Entities::append_to_old(const VersionFacts& facts, uint64_t row, const char* not_newest) {
  const uint64_t first = facts.entity->value, previous = facts.previous->value;
  needs_.push_back({first, first, 0, facts.name, std::nullopt, TableId::kRegistry, row});
  const auto [latest, fresh] = old_latest_.emplace(first, row);
  if (fresh) {  // `previous` must be an old row of it: look_up() asks
    needs_.push_back({previous, first, facts.number - 1, std::nullopt, std::nullopt, TableId::kRegistry, row});
    return nullptr;
  }
  const uint64_t before = std::exchange(latest->second, row);
  if (amiss(before != previous)) return not_newest;
  return amiss(rows_[before - first_row_].number + 1 != facts.number) ? kNotNext : nullptr;
}

const char* Entities::check(const codec::Pin& pin) const {
  if (pin.entity.value >= rows() || pin.version.value >= rows()) {
    return amiss(true) ? "pins a registry row that is not there" : nullptr;
  }
  const auto entity_of = [&](uint64_t row) { return row < first_row_ ? kUnknown : entity_[row - first_row_]; };
  const uint64_t entity = entity_of(pin.entity.value), version = entity_of(pin.version.value);
  if (amiss(entity != kUnknown && entity != pin.entity.value)) return "pins an entity row that is no first version";
  if (amiss(version != kUnknown && version != pin.entity.value)) return "pins a version of another entity";
  return nullptr;
}

std::optional<Row> Entities::seq(Row row) const {
  if (row.value < first_row_ || row.value >= rows()) return std::nullopt;
  const uint64_t seq = rows_[row.value - first_row_].seq;
  return seq == kUnknown ? std::nullopt : std::optional(Row{seq});
}

void ReadEntities::tell(const Entities* all) {
  {
    const std::lock_guard lock(mutex_);
    if (told_) return;
    told_ = true;
    all_ = all;
  }
  changed_.notify_all();
}

bool ReadEntities::told() const {
  const std::lock_guard lock(mutex_);
  return told_;
}

const Entities* ReadEntities::wait() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return told_; });
  return all_;
}

}  // namespace khipu::verify
