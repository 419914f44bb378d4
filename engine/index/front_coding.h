// Terms in order, each without what it shares with the front of the one before it: u8 shared | u8 rest | the rest. The
// first of a page shares nothing. Specified in engine/FORMAT.md "Index files". Internal to this room.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

#include "engine/base/bytes.h"

namespace khipu::index {

// `before`: empty for the first of a page. A term is at most 255 bytes, which with two more have room at `to`. Returns
// where what was written ends.
inline uint8_t* put_term(uint8_t* to, std::string_view before, std::string_view term) {
  const size_t most = std::min(term.size(), before.size());
  const uint8_t* const a = as_bytes(before).data();
  const uint8_t* const b = as_bytes(term).data();
  size_t shared = 0;
  for (; shared + 8 <= most; shared += 8) {
    const uint64_t differ = load_le<uint64_t>(a + shared) ^ load_le<uint64_t>(b + shared);
    if (differ == 0) continue;
    shared += static_cast<size_t>(std::countr_zero(differ)) / 8;
    break;
  }
  while (shared < most && a[shared] == b[shared]) ++shared;
  *to++ = static_cast<uint8_t>(shared);
  *to++ = static_cast<uint8_t>(term.size() - shared);
  return std::copy(b + shared, b + term.size(), to);
}

inline void append_term(Buffer& page, std::string_view before, std::string_view term) {
  std::array<uint8_t, 2 + 255> bytes;
  const uint8_t* const end = put_term(bytes.data(), before, term);
  append(page, Bytes(bytes).first(static_cast<size_t>(end - bytes.data())));
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
