// A stable sort by the digits of a key, least digit first, that skips the bits in which all keys are the same. Internal
// to this room.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace khipu::index {

inline constexpr unsigned kDigitMax = 11;  // bits of a digit: counters that stay in the nearest cache

// One pass: stable, by the bits of key_of(one) that `shift` and `mask` leave.
template <typename T, typename KeyOf>
void sort_digit(std::span<const T> from, T* to, unsigned shift, uint64_t mask, const KeyOf& key_of) {
  std::array<uint32_t, (1U << kDigitMax) + 1> starts{};
  for (const T& one : from) ++starts[(key_of(one) >> shift & mask) + 1];
  for (size_t i = 1; i <= mask; ++i) starts[i] += starts[i - 1];
  for (const T& one : from) to[starts[key_of(one) >> shift & mask]++] = one;
}

// `scratch` grows to the size of `part`.
template <typename T, typename KeyOf>
void sort_digits(std::vector<T>& scratch, std::span<T> part, const KeyOf& key_of) {
  uint64_t differ = 0;
  for (const T& one : part) differ |= key_of(one) ^ key_of(part.front());
  if (scratch.size() < part.size()) scratch.resize(part.size());
  T* from = part.data();
  T* to = scratch.data();
  while (differ != 0) {
    const auto low = static_cast<unsigned>(std::countr_zero(differ));
    const auto bits = static_cast<unsigned>(std::bit_width(differ)) - low;
    const unsigned digits = (bits + kDigitMax - 1) / kDigitMax;
    const unsigned width = (bits + digits - 1) / digits;
    const uint64_t mask = (uint64_t{1} << width) - 1;
    sort_digit(std::span<const T>(from, part.size()), to, low, mask, key_of);
    std::swap(from, to);
    differ &= ~(mask << low);
  }
  if (from != part.data()) std::copy_n(from, part.size(), part.data());
}

}  // namespace khipu::index
