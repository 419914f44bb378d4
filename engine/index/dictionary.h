// The dictionary of an index as it is built: terms in, in order, each with its rows; the page index, the pages and the
// lists out. Specified in engine/FORMAT.md "Index files". Internal to this room.
#pragma once

#include <span>
#include <string_view>

#include "engine/index/out.h"

namespace khipu::index {

// Owner: one thread.
class Dictionary {
 public:
  void clear();
  // `rows` of the `all` rows there are, ascending. The term stays as it is until the next one was added.
  void add(std::string_view term, std::span<const uint32_t> rows, uint32_t all);

  uint32_t count() const { return count_; }  // of pages
  Bytes places() const { return places_.view(); }
  Bytes keys() const { return keys_.view(); }
  Bytes pages() const { return pages_.view(); }
  Bytes lists() const { return lists_.view(); }
  size_t size() const { return places_.size() + keys_.size() + pages_.size() + lists_.size(); }

 private:
  Out pages_, lists_, places_, keys_;
  uint32_t count_ = 0;
  std::string_view before_;
  size_t page_start_ = 0;
};

}  // namespace khipu::index
