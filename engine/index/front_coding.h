// Terms in order, each without what it shares with the front of the one before it: u8 shared | u8 rest | the rest. The
// first of a page shares nothing. Specified in engine/FORMAT.md "Index files". Internal to this room.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/base/bytes.h"

namespace khipu::index {

// `before`: empty for the first of a page. A term is at most 255 bytes.
inline void append_term(Buffer& page, std::string_view before, std::string_view term) {
  const size_t most = std::min(term.size(), before.size());
  size_t shared = 0;
  while (shared < most && term[shared] == before[shared]) ++shared;
  page.push_back(static_cast<uint8_t>(shared));
  page.push_back(static_cast<uint8_t>(term.size() - shared));
  append(page, as_bytes(term.substr(shared)));
}

// From bytes that may be anyone's.
class TermReader {
 public:
  void begin_page() { size_ = 0; }
  // Takes one from `at`; nullptr, or what is wrong with it.
  const char* next(const uint8_t*& at, const uint8_t* end) {
    if (end - at < 2) return "a dictionary page that ends inside a term";
    const size_t shared = at[0], rest = at[1];
    at += 2;
    if (shared > size_ || static_cast<size_t>(end - at) < rest) return "a term that does not fit";
    std::copy_n(at, rest, term_.begin() + static_cast<ptrdiff_t>(shared));
    at += rest;
    size_ = shared + rest;
    return nullptr;
  }
  Bytes term() const { return Bytes(term_).first(size_); }

 private:
  std::array<uint8_t, 2 * 255> term_{};  // `shared` and `rest` are one byte each
  size_t size_ = 0;
};

}  // namespace khipu::index
