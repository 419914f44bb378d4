// Spans of bytes, little-endian loads and stores, hex, and a bounded cursor over bytes from outside.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace khipu {

static_assert(std::endian::native == std::endian::little, "the on-disk format is little-endian and so is every host");

using Bytes = std::span<const uint8_t>;
using Buffer = std::vector<uint8_t>;

inline Bytes as_bytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

template <typename T>
T load_le(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T>
void store_le(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
template <typename T>
T swap_bytes(T value) {
  static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  return value;
}
template <typename T>
T load_be(const uint8_t* from) {
  return swap_bytes(load_le<T>(from));
}
template <typename T>
void store_be(uint8_t* to, T value) {
  store_le(to, swap_bytes(value));
}
template <typename T>
void append_le(Buffer& to, T value) {
  const size_t size = to.size();
  to.resize(size + sizeof value);
  store_le(to.data() + size, value);
}
inline void append(Buffer& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

std::string hex(Bytes bytes);                              // lower case
std::optional<Buffer> from_hex(std::string_view text);     // either case; nullopt if odd or not hex
std::string base64(Bytes bytes);                           // RFC 4648 section 4, padded
std::optional<Buffer> from_base64(std::string_view text);  // strict: padding and canonical bits required

// Reads fixed-size fields front to back. Overrunning sets failed() and yields zeroes: check once at the end.
class Cursor {
 public:
  explicit Cursor(Bytes bytes) : rest_(bytes) {}
  template <typename T>
  T get() {
    if (rest_.size() < sizeof(T)) {
      failed_ = true;
      rest_ = {};
      return T{};
    }
    T value = load_le<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  template <size_t N>
  std::array<uint8_t, N> array() {
    return get<std::array<uint8_t, N>>();
  }
  Bytes take(size_t size) {
    if (rest_.size() < size) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  Bytes rest() const { return rest_; }
  bool failed() const { return failed_; }

 private:
  Bytes rest_;
  bool failed_ = false;
};

}  // namespace khipu
