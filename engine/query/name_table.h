// Names of entities to numbers in the order they came: bytes in large pieces, one look-up and no allocation a name, for
// a reader that has to learn a whole registry before its first answer. Internal to this room.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"

namespace khipu::query {

// Owner: whoever guards it.
class NameTable {
 public:
  NameTable();
  struct Found {
    uint32_t number = 0;
    bool added = false;
  };
  Found find_or_add(std::string_view type, std::string_view id);
  std::optional<uint32_t> find(std::string_view type, std::string_view id) const;
  std::string_view type(uint32_t number) const { return {names_[number].bytes, names_[number].type_size}; }
  std::string_view id(uint32_t number) const {
    return {names_[number].bytes + names_[number].type_size, names_[number].id_size};
  }
  size_t size() const { return names_.size(); }

 private:
  struct Name {
    const char* bytes;  // type, then id
    uint32_t type_size, id_size;
  };
  struct Slot {
    uint32_t hash = 0, number = 0;  // number plus one, 0: free
  };
  uint64_t hash_of(std::string_view type, std::string_view id) const;
  bool is(uint32_t number, std::string_view type, std::string_view id) const;
  // Where the name is, or would be.
  size_t place_of(uint64_t hash, std::string_view type, std::string_view id) const;
  const char* keep(std::string_view type, std::string_view id);
  void grow();

  const uint64_t seed_;  // random: nobody can aim at one slot
  std::vector<Slot> slots_;
  std::vector<Name> names_;
  std::vector<std::unique_ptr<char[]>> pieces_;
  size_t left_ = 0;  // bytes free at the end of the newest piece
  char* next_ = nullptr;
};

}  // namespace khipu::query
