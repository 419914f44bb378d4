#include "engine/verify/entities.h"

#include "engine/crypto/hash.h"

namespace khipu::verify {

VersionFacts facts_of(const codec::VersionRecord& version) {
  VersionFacts facts;
  facts.known = true;
  constexpr uint8_t kSeparator[1] = {0};
  const Hash hash = crypto::sha256({as_bytes(version.type), kSeparator, as_bytes(version.id)});
  std::memcpy(facts.name.data(), hash.data(), facts.name.size());
  facts.entity = version.entity;
  facts.previous = version.previous;
  facts.seq = version.seq;
  facts.number = version.version;
  return facts;
}

const char* Entities::append(const VersionFacts& facts) {
  const uint64_t row = rows_.size();
  Entry entry;
  entry.seq = kUnknown;
  if (!facts.known) {
    entity_.push_back(kUnknown);
    rows_.push_back(entry);
    return nullptr;
  }
  entity_.push_back(facts.entity ? facts.entity->value : row);
  entry.latest = row;
  entry.number = facts.number;
  if (facts.seq) entry.seq = facts.seq->value;
  entry.name = facts.name;
  rows_.push_back(entry);
  if (!facts.type_defined) return "a version of a type that no TYPE statement defines";
  if (!facts.entity) {
    const bool fresh = by_name_.emplace(facts.name, row).second;
    return fresh ? nullptr : "a second first version of the same entity";
  }
  if (*facts.entity >= Row{row} || *facts.previous >= Row{row}) return "a version that names a later row";
  Entry& first = rows_[facts.entity->value];
  const Entry& previous = rows_[facts.previous->value];
  const uint64_t first_entity = entity_[facts.entity->value], previous_entity = entity_[facts.previous->value];
  if (first_entity == kUnknown) return nullptr;  // that row is reported already
  if (first_entity != facts.entity->value) return "a version whose entity row is not a first version";
  if (first.name != facts.name) return "a version whose type and id are not those of its entity";
  const uint64_t latest = std::exchange(first.latest, row);
  if (previous_entity == kUnknown) return nullptr;
  if (previous_entity != facts.entity->value || latest != facts.previous->value) {
    return "a version that does not follow the entity's newest one";
  }
  return previous.number + 1 == facts.number ? nullptr : "a version number that does not follow the one before";
}

const char* Entities::check(const codec::Pin& pin) const {
  if (pin.entity.value >= entity_.size() || pin.version.value >= entity_.size()) {
    return "pins a registry row that is not there";
  }
  const uint64_t entity = entity_[pin.entity.value], version = entity_[pin.version.value];
  if (entity != kUnknown && entity != pin.entity.value) return "pins an entity row that is no first version";
  if (version != kUnknown && version != pin.entity.value) return "pins a version of another entity";
  return nullptr;
}

std::optional<Row> Entities::seq(Row row) const {
  if (row.value >= rows_.size() || rows_[row.value].seq == kUnknown) return std::nullopt;
  return Row{rows_[row.value].seq};
}

}  // namespace khipu::verify
