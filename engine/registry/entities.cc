#include "engine/registry/entities.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/assert.h"

namespace khipu::registry {
namespace {

constexpr size_t kTypeInKeySize = 48;  // bytes of a type that are surely in a name's key: a long name's is cut

bool equals(std::string_view have, const Entities::Name& name) {
  return have.size() == name.type.size() + 1 + name.id.size() && have.starts_with(name.type) &&
         have[name.type.size()] == '\0' && have.substr(name.type.size() + 1) == name.id;
}

}  // namespace

uint64_t Entities::hash_of(std::string_view key) const { return XXH3_64bits_withSeed(key.data(), key.size(), seed_); }

void Entities::bring_near(uint64_t hash, Step step) const {
  if (table_.empty()) return;
  const uint32_t& slot = table_[hash & (table_.size() - 1)];  // names whose place was taken gain nothing
  if (step == Step::kSlot) return __builtin_prefetch(&slot);
  if (slot == 0) return;
  const Entry& entry = entries_[slot - 1];
  if (step == Step::kEntry) return __builtin_prefetch(&entry);
  if (entry.hash != hash || entry.read == nullptr) return;
  const Read& read = *entry.read;
  if (step == Step::kRead) {
    __builtin_prefetch(&read);
    __builtin_prefetch(&read.state.fields);
  } else {
    __builtin_prefetch(read.name.data());
    __builtin_prefetch(read.state.fields.data());
  }
}

Result<std::optional<size_t>> Entities::find(const Name& name) {
  std::optional<size_t> none;
  if (table_.empty()) return none;
  const uint64_t hash = hash_of(name.key);
  const size_t mask = table_.size() - 1;
  for (size_t place = hash & mask; table_[place] != 0; place = (place + 1) & mask) {
    const size_t index = table_[place] - 1;
    Entry& entry = entries_[index];
    if (entry.hash != hash) continue;
    if (!entry.read) {
      KHIPU_TRY_ASSIGN(Read read, reader_(entry.version));
      entry.read = std::make_unique<Read>(std::move(read));
    }
    if (equals(entry.read->name, name)) return std::optional(index);
  }
  return none;
}

size_t Entities::append(Entry entry) {
  if ((entries_.size() + 1) * 2 > table_.size()) grow();
  KHIPU_ASSERT(entries_.size() < UINT32_MAX - 1);
  const size_t mask = table_.size() - 1;
  size_t place = entry.hash & mask;
  while (table_[place] != 0) place = (place + 1) & mask;
  entries_.push_back(std::move(entry));
  table_[place] = static_cast<uint32_t>(entries_.size());
  return entries_.size() - 1;
}

size_t Entities::add(const Name& name, EntityState state) {
  Entry entry;
  entry.hash = hash_of(name.key);
  entry.entity = state.entity;
  entry.read = std::make_unique<Read>();
  entry.read->name.reserve(name.type.size() + 1 + name.id.size());
  entry.read->name.append(name.type).append(1, '\0').append(name.id);
  entry.read->state = std::move(state);
  return append(std::move(entry));
}

// Two names may have one hash; no two entities have one first row.
void Entities::add_unread(std::string_view key, Row entity, Row version) {
  const uint64_t hash = hash_of(key);
  if (!table_.empty()) {
    const size_t mask = table_.size() - 1;
    for (size_t place = hash & mask; table_[place] != 0; place = (place + 1) & mask) {
      const Entry& known = entries_[table_[place] - 1];
      if (known.hash == hash && known.entity == entity) return;
    }
  }
  append({hash, entity, version, nullptr});
  const std::string_view type = key.substr(1, std::min(key.find('\0', 1) - 1, kTypeInKeySize));
  if (!unread_types_.contains(type)) unread_types_.emplace(type);
}

void Entities::remove_last() {
  KHIPU_ASSERT(!entries_.empty());
  const size_t mask = table_.size() - 1;
  const uint32_t last = static_cast<uint32_t>(entries_.size());
  size_t place = entries_.back().hash & mask;
  while (table_[place] != last) place = (place + 1) & mask;
  // The newest entry ends its run: whatever probes past this place was added later, and nothing was.
  table_[place] = 0;
  entries_.pop_back();
}

void Entities::grow() {
  table_.assign(std::max<size_t>(1024, table_.size() * 2), 0);
  const size_t mask = table_.size() - 1;
  for (size_t i = 0; i < entries_.size(); ++i) {  // in order of age, so that remove_last()'s reasoning holds
    size_t place = entries_[i].hash & mask;
    while (table_[place] != 0) place = (place + 1) & mask;
    table_[place] = static_cast<uint32_t>(i + 1);
  }
}

bool Entities::holds_type(std::string_view type) const {
  const bool unread = std::any_of(unread_types_.begin(), unread_types_.end(), [&](std::string_view known) {
    return known == type || (known.size() == kTypeInKeySize && type.starts_with(known));
  });
  return unread || std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
           const std::string_view name = entry.read ? std::string_view(entry.read->name) : std::string_view();
           return name.size() > type.size() && name.starts_with(type) && name[type.size()] == '\0';
         });
}

}  // namespace khipu::registry
