#include "engine/registry/entities.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/assert.h"

namespace khipu::registry {
namespace {

bool key_equals(std::string_view key, std::string_view type, std::string_view id) {
  return key.size() == type.size() + 1 + id.size() && key.starts_with(type) && key[type.size()] == '\0' &&
         key.substr(type.size() + 1) == id;
}

}  // namespace

uint64_t Entities::hash_of(std::string_view type, std::string_view id) const {
  return XXH3_64bits_withSeed(id.data(), id.size(), XXH3_64bits_withSeed(type.data(), type.size(), seed_));
}

// The table's place of (type, id), or the empty one where it would go. The table is never more than half full.
size_t Entities::probe(uint64_t hash, std::string_view type, std::string_view id) const {
  const size_t mask = table_.size() - 1;
  for (size_t place = hash & mask;; place = (place + 1) & mask) {
    const uint32_t at = table_[place];
    if (at == 0) return place;
    const Entry& entry = entries_[at - 1];
    if (entry.hash == hash && key_equals(entry.key, type, id)) return place;
  }
}

std::optional<size_t> Entities::find(std::string_view type, std::string_view id) const {
  if (table_.empty()) return std::nullopt;
  const uint32_t at = table_[probe(hash_of(type, id), type, id)];
  if (at == 0) return std::nullopt;
  return at - 1;
}

size_t Entities::add(std::string_view type, std::string_view id, EntityState state) {
  if ((entries_.size() + 1) * 2 > table_.size()) grow();
  Entry entry;
  entry.hash = hash_of(type, id);
  entry.key.reserve(type.size() + 1 + id.size());
  entry.key.append(type).append(1, '\0').append(id);
  entry.state = std::move(state);
  const size_t place = probe(entry.hash, type, id);
  KHIPU_ASSERT(table_[place] == 0);
  KHIPU_ASSERT(entries_.size() < UINT32_MAX - 1);
  entries_.push_back(std::move(entry));
  table_[place] = static_cast<uint32_t>(entries_.size());
  return entries_.size() - 1;
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
  return std::any_of(entries_.begin(), entries_.end(), [type](const Entry& entry) {
    return entry.key.size() > type.size() && entry.key.starts_with(type) && entry.key[type.size()] == '\0';
  });
}

}  // namespace khipu::registry
