// CBOR heads in plain memory: what CborWriter, CborReader and the record codecs share, so that there is one writer and
// one strict reader. Internal to this room; others use cbor.h. The form: cbor.h, engine/FORMAT.md "CBOR".
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/bytes.h"
#include "engine/base/result.h"
#include "engine/codec/cbor.h"

namespace khipu::codec::raw {

// On the scan path a Scan stays in registers, which it can only while no function that is not inlined gets its address:
// 140 ns an event became 108.
#define KHIPU_HOT [[gnu::always_inline]] inline

enum Major : uint8_t {
  kUnsigned = 0,
  kNegative = 1,
  kBytes = 2,
  kText = 3,
  kArray = 4,
  kMap = 5,
  kTag = 6,
  kSimple = 7
};

inline constexpr size_t kHeadSizeMax = 9;
inline constexpr unsigned kDepthMax = 16;

template <typename T>
uint8_t* put_be(uint8_t* at, T value) {
  store_be(at, value);
  return at + sizeof value;
}

// Each put_* writes at `at`, where the caller has made room, and returns the end of what it wrote.
inline uint8_t* put_head(uint8_t* at, Major major, uint64_t value) {
  const auto top = static_cast<uint8_t>(major << 5);
  if (value < 24) {
    *at = static_cast<uint8_t>(top | value);
    return at + 1;
  }
  if (value <= 0xff) {
    at[0] = top | 24;
    at[1] = static_cast<uint8_t>(value);
    return at + 2;
  }
  if (value <= 0xffff) {
    *at = top | 25;
    return put_be(at + 1, static_cast<uint16_t>(value));
  }
  if (value <= 0xffffffff) {
    *at = top | 26;
    return put_be(at + 1, static_cast<uint32_t>(value));
  }
  *at = top | 27;
  return put_be(at + 1, value);
}
inline uint8_t* put_unsigned(uint8_t* at, uint64_t value) { return put_head(at, kUnsigned, value); }
inline uint8_t* put_integer(uint8_t* at, int64_t value) {
  return value >= 0 ? put_head(at, kUnsigned, static_cast<uint64_t>(value))
                    : put_head(at, kNegative, ~static_cast<uint64_t>(value));
}
inline uint8_t* put_string(uint8_t* at, Major major, Bytes value) {
  at = put_head(at, major, value.size());
  if (!value.empty()) std::memcpy(at, value.data(), value.size());
  return at + value.size();
}
inline uint8_t* put_bytes(uint8_t* at, Bytes value) { return put_string(at, kBytes, value); }
inline uint8_t* put_text(uint8_t* at, std::string_view value) { return put_string(at, kText, as_bytes(value)); }
uint8_t* put_real(uint8_t* at, double value);

// The strict reader. The first fault sticks: it moves to the end, everything after it reads as zero or empty, and the
// caller asks once, at the end. So the path without faults has no Results to build and take apart.
class Scan {
 public:
  explicit Scan(Bytes bytes) : start_(bytes.data()), at_(start_), end_(start_ + bytes.size()) {}

  bool ok() const { return fault_ == nullptr; }
  bool at_end() const { return at_ == end_; }
  size_t offset() const { return static_cast<size_t>(at_ - start_); }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  const uint8_t* at() const { return at_; }

  // `what` is a literal: it is kept.
  KHIPU_HOT void fail(const char* what, Code code = Code::kCorrupt) { fail_at(offset(), what, code); }
  KHIPU_HOT void fail_at(size_t offset, const char* what, Code code = Code::kCorrupt) {
    if (fault_ != nullptr) return;
    fault_ = what;
    fault_at_ = offset;
    code_ = code;
    at_ = end_;
  }
  // The fault, `offset` counted from `base`; asserts that there is one.
  Error error(size_t base = 0) const;
  // error() with what was being read in front of it, or nothing when all went well and all was read.
  KHIPU_HOT Result<void> finish(const char* record) const {
    if (ok() && at_end()) [[likely]]
      return {};
    return finish_fault(*this, record);
  }

  Major major() const { return at_ == end_ ? kTag : static_cast<Major>(*at_ >> 5); }

  KHIPU_HOT uint64_t head(Major major, const char* what) {
    if (at_ != end_ && *at_ >> 5 == major) [[likely]] {
      const uint8_t info = *at_ & 31;
      if (info < 24) {
        ++at_;
        return info;
      }
      if (info == 24 && left() > 1 && at_[1] >= 24) {  // most texts
        at_ += 2;
        return at_[-1];
      }
      const Argument argument = long_argument(at_, end_);
      if (argument.size == 0) [[unlikely]] {
        fail(kBadArgument);
        return 0;
      }
      at_ += argument.size;
      return argument.value;
    }
    fail(at_ == end_ ? "the bytes end inside an item" : what);
    return 0;
  }
  KHIPU_HOT uint64_t unsigned_integer() { return head(kUnsigned, "expected an unsigned integer"); }
  KHIPU_HOT int64_t integer() {
    const size_t from = offset();
    const bool negative = major() == kNegative;
    const uint64_t value = head(negative ? kNegative : kUnsigned, "expected an integer");
    if (value > static_cast<uint64_t>(INT64_MAX)) [[unlikely]] {
      fail_at(from, "integer outside 64 bits");
      return 0;
    }
    return negative ? ~static_cast<int64_t>(value) : static_cast<int64_t>(value);
  }
  KHIPU_HOT Bytes bytes() { return take(head(kBytes, "expected a byte string")); }
  KHIPU_HOT std::string_view text() {
    const Bytes value = take(head(kText, "expected text"));
    if (!ascii(value) && !valid_utf8(value)) [[unlikely]] {
      fail_at(static_cast<size_t>(value.data() - start_), "invalid UTF-8");
      return {};
    }
    return as_text(value);
  }
  // A member that is left out when it is empty.
  KHIPU_HOT std::string_view filled_text() {
    const size_t from = offset();
    const std::string_view value = text();
    if (value.empty()) [[unlikely]]
      fail_at(from, "empty text");
    return value;
  }
  template <size_t N>
  KHIPU_HOT void fixed(std::array<uint8_t, N>& into) {
    const size_t from = offset();
    const Bytes value = bytes();
    if (value.size() != N) [[unlikely]] {
      fail_at(from, "byte string of the wrong length");
      return;
    }
    std::memcpy(into.data(), value.data(), N);
  }
  KHIPU_HOT uint64_t array() { return head(kArray, "expected an array"); }
  KHIPU_HOT uint64_t map() { return head(kMap, "expected a map"); }
  bool boolean();
  double real();
  // One whole item, checked to the bottom.
  void skip(unsigned depth = 0);

  // Records: the map's head was read, keys are 0 to 23 and come in ascending order.
  KHIPU_HOT void open_map() { keys_ = map(); }
  // Is `key` the next one? If so it is read, and its value comes next.
  KHIPU_HOT bool take_key(uint8_t key) {
    if (keys_ == 0 || at_ == end_ || *at_ != key) return false;
    --keys_;
    ++at_;
    return true;
  }
  KHIPU_HOT void need_key(uint8_t key, const char* what) {
    if (!take_key(key)) [[unlikely]]
      fail(what);
  }
  // After the last key that is known: what is still there is unknown, repeated or out of order.
  KHIPU_HOT void close_map() {
    if (keys_ != 0) [[unlikely]]
      fail("key that is unknown or out of place");
  }
  // For a map in a map.
  uint64_t keys_left() const { return keys_; }
  void set_keys_left(uint64_t keys) { keys_ = keys; }

 private:
  static Result<void> finish_fault(Scan scan, const char* record);
  KHIPU_HOT Bytes take(uint64_t size) {
    if (size > left()) [[unlikely]] {
      fail("the bytes end inside a string");
      return {};
    }
    const Bytes taken(at_, static_cast<size_t>(size));
    at_ += size;
    return taken;
  }
  KHIPU_HOT static bool ascii(Bytes bytes) {
    const uint8_t* from = bytes.data();
    size_t size = bytes.size();
    uint64_t seen = 0;
    if (size >= 16) {  // in steps so wide that texts of about one size take equally many
      const uint8_t* last = from + size - 16;
      for (; from < last; from += 16) seen |= load_le<uint64_t>(from) | load_le<uint64_t>(from + 8);
      seen |= load_le<uint64_t>(last) | load_le<uint64_t>(last + 8);
    } else if (size >= 8) {
      const uint8_t* last = from + size - 8;  // which may overlap what was seen before it
      for (; from < last; from += 8) seen |= load_le<uint64_t>(from);
      seen |= load_le<uint64_t>(last);
    } else if (size >= 4) {
      seen = load_le<uint32_t>(from) | load_le<uint32_t>(from + size - 4);
    } else {
      for (; size > 0; --size, ++from) seen |= *from;
    }
    return (seen & 0x8080808080808080) == 0;
  }
  // A head's argument of 1 to 8 bytes of its own; size counts the head's first byte too, 0 when it is malformed.
  struct Argument {
    uint64_t value;
    size_t size;
  };
  static Argument long_argument(const uint8_t* at, const uint8_t* end);
  static constexpr const char* kBadArgument = "a number that is cut short, indefinite or not in its shortest form";
  void skip_map(unsigned depth);

  const uint8_t* start_;
  const uint8_t* at_;
  const uint8_t* end_;
  uint64_t keys_ = 0;
  const char* fault_ = nullptr;
  size_t fault_at_ = 0;
  Code code_ = Code::kCorrupt;
};

}  // namespace khipu::codec::raw
