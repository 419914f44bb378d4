#include "engine/tree/compact_range.h"

#include <bit>

#include "engine/tree/subtree.h"

namespace khipu::tree {

// Height of the largest aligned complete subtree that starts at `begin` and ends at or before `end` (begin < end).
static unsigned step(uint64_t begin, uint64_t end) {
  const unsigned fits = static_cast<unsigned>(std::bit_width(end - begin)) - 1;
  return begin == 0 ? fits : std::min(fits, static_cast<unsigned>(std::countr_zero(begin)));
}

Result<std::vector<Hash>> compact_range(uint64_t begin, uint64_t end, HashSource& source) {
  if (begin > end || end > kSizeMax) return Error{Code::kInvalid, "there is no such range of leaves"};
  std::vector<Hash> hashes;
  while (begin < end) {
    const uint64_t next = begin + (uint64_t{1} << step(begin, end));
    KHIPU_TRY_ASSIGN(const Peaks peaks, read_peaks(begin, next, source));
    hashes.push_back(peaks.root());
    begin = next;
  }
  return hashes;
}

std::optional<Hash> root_with_range(uint64_t size, uint64_t from, std::span<const Hash> leaves,
                                    std::span<const Hash> left, std::span<const Hash> right) {
  if (size > kSizeMax || from > size || leaves.size() > size - from) return std::nullopt;
  Peaks peaks;
  const auto append = [&](uint64_t begin, uint64_t end, std::span<const Hash> hashes) {
    for (; begin < end; begin += uint64_t{1} << step(begin, end), hashes = hashes.subspan(1)) {
      if (hashes.empty()) return false;
      peaks.append_aligned(step(begin, end), hashes.front());
    }
    return hashes.empty();
  };
  const uint64_t to = from + leaves.size();
  if (!append(0, from, left)) return std::nullopt;
  for (const Hash& leaf : leaves) peaks.append(leaf);
  if (!append(to, size, right)) return std::nullopt;
  return peaks.root();
}

}  // namespace khipu::tree
