#include "engine/protect/key_table.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace khipu::protect {

void KeyTable::name_key(std::string& to, char use, const FieldName& field, uint64_t number) {
  to.assign(1, use);
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
  to.append(field.type);
  to += '\0';
  to.append(field.field);
}

Bytes KeyTable::find(std::string_view name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) return {};
  const size_t place = found->second;
  return slabs_[place / kKeysPerSlab].bytes().subspan(place % kKeysPerSlab * kKeySize, kKeySize);
}

Bytes KeyTable::put(std::string_view name, std::span<uint8_t> key) {
  KHIPU_ASSERT(key.size() == kKeySize && !places_.contains(name));
  if (used_ / kKeysPerSlab == slabs_.size()) slabs_.emplace_back(kKeysPerSlab * kKeySize);
  const size_t place = used_++;
  const auto to = slabs_[place / kKeysPerSlab].writable().subspan(place % kKeysPerSlab * kKeySize, kKeySize);
  std::copy(key.begin(), key.end(), to.begin());
  crypto::wipe(key);
  places_.emplace(name, place);
  return to;
}

void KeyTable::erase(std::string_view name) {
  const auto found = places_.find(name);
  if (found == places_.end()) return;
  const size_t place = found->second;
  crypto::wipe(slabs_[place / kKeysPerSlab].writable().subspan(place % kKeysPerSlab * kKeySize, kKeySize));
  places_.erase(found);
}

void KeyTable::clear() {
  for (crypto::SecretBytes& slab : slabs_) crypto::wipe(slab.writable());
  used_ = 0;
  places_.clear();
}

}  // namespace khipu::protect
