// The rows of each term while an index is built: one look-up an entry, no allocation a term. Internal to this room.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"

namespace khipu::index {

// Owner: one thread. What it holds does not depend on the hash, whose seed is random: nobody can aim at one slot.
class TermLists {
 public:
  TermLists();
  // Rows come ascending; the same row again changes nothing (two targets may be one entity).
  void add(Bytes term, uint32_t row);

  uint32_t count() const { return static_cast<uint32_t>(terms_.size()); }
  std::vector<uint32_t> ordered() const;  // the terms' numbers, in the order of their bytes
  std::string_view term(uint32_t number) const;
  // Ascending, into `rows`.
  void rows(uint32_t number, std::vector<uint32_t>& rows) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct TermFacts {
    uint64_t hash = 0, key = 0;  // key: where its bytes begin in keys_
    uint32_t size = 0, rows = 0, last = kNone, last_row = kNone;
  };
  struct Entry {
    uint32_t row, before;  // before: the term's entry in front of this one, or kNone
  };
  uint32_t find_or_add(Bytes term);
  void grow();

  const uint64_t seed_;
  std::vector<uint32_t> table_;  // number of a term plus one, 0: free; never more than half full
  std::vector<TermFacts> terms_;
  std::vector<Entry> entries_;
  Buffer keys_;
};

}  // namespace khipu::index
