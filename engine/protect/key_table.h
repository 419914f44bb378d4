// Derived 32-byte keys by name, in locked memory that many of them share (an allocation of their own would cost each
// 16 us and four pages). Internal to this room.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/crypto/secret.h"
#include "engine/protect/field.h"

namespace khipu::protect {

// Owner: one thread. Keys stay where they are until clear().
class KeyTable {
 public:
  static constexpr size_t kKeySize = 32;

  // A name that says what a key is for: `use` and `number` as the caller means them, one field or {}.
  static void name_key(std::string& to, char use, const FieldName& field, uint64_t number);

  size_t size() const { return places_.size(); }
  // Empty when there is none of that name.
  Bytes find(std::string_view name) const;
  // Copies the key and wipes the original.
  Bytes put(std::string_view name, std::span<uint8_t> key);
  void erase(std::string_view name);  // wipes it; its room is not used again before clear()
  void clear();                       // wipes all

 private:
  static constexpr size_t kKeysPerSlab = 256;
  std::vector<crypto::SecretBytes> slabs_;
  size_t used_ = 0;
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };
  std::unordered_map<std::string, size_t, NameHash, std::equal_to<>> places_;
};

}  // namespace khipu::protect
