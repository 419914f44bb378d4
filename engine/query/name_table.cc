#include "engine/query/name_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <random>

namespace khipu::query {
namespace {

constexpr size_t kPieceSize = 256 << 10;

}  // namespace

NameTable::NameTable() : seed_(uint64_t{std::random_device{}()} << 32 | std::random_device{}()), slots_(1024) {}

uint64_t NameTable::hash_of(std::string_view type, std::string_view id) const {
  return XXH3_64bits_withSeed(id.data(), id.size(), XXH3_64bits_withSeed(type.data(), type.size(), seed_));
}

bool NameTable::is(uint32_t number, std::string_view type, std::string_view id) const {
  const Name& name = names_[number];
  return name.type_size == type.size() && name.id_size == id.size() &&
         std::equal(id.begin(), id.end(), name.bytes + name.type_size) &&
         std::equal(type.begin(), type.end(), name.bytes);
}

size_t NameTable::place_of(uint64_t hash, std::string_view type, std::string_view id) const {
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  size_t place = hash & mask;
  while (slots_[place].number != 0 && !(slots_[place].hash == tag && is(slots_[place].number - 1, type, id))) {
    place = (place + 1) & mask;
  }
  return place;
}

std::optional<uint32_t> NameTable::find(std::string_view type, std::string_view id) const {
  const Slot& slot = slots_[place_of(hash_of(type, id), type, id)];
  return slot.number == 0 ? std::nullopt : std::optional(slot.number - 1);
}

NameTable::Found NameTable::find_or_add(std::string_view type, std::string_view id) {
  const uint64_t hash = hash_of(type, id);
  Slot& slot = slots_[place_of(hash, type, id)];
  if (slot.number != 0) return {slot.number - 1, false};
  names_.push_back({keep(type, id), static_cast<uint32_t>(type.size()), static_cast<uint32_t>(id.size())});
  const auto number = static_cast<uint32_t>(names_.size() - 1);
  slot = {static_cast<uint32_t>(hash >> 32), number + 1};
  if (2 * names_.size() > slots_.size()) grow();
  return {number, true};
}

const char* NameTable::keep(std::string_view type, std::string_view id) {
  const size_t size = type.size() + id.size();
  if (size > left_) {
    left_ = std::max(size, kPieceSize);
    pieces_.push_back(std::make_unique_for_overwrite<char[]>(left_));
    next_ = pieces_.back().get();
  }
  char* const bytes = next_;
  std::copy(id.begin(), id.end(), std::copy(type.begin(), type.end(), bytes));
  next_ += size;
  left_ -= size;
  return bytes;
}

void NameTable::grow() {
  std::vector<Slot> old(2 * slots_.size());
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.number == 0) continue;
    const Name& name = names_[slot.number - 1];
    size_t place = hash_of({name.bytes, name.type_size}, {name.bytes + name.type_size, name.id_size}) & mask;
    while (slots_[place].number != 0) place = (place + 1) & mask;
    slots_[place] = slot;
  }
}

}  // namespace khipu::query
