// A complete tile is right when its root is the hash that the next level holds for it; that hash is in a tile which is
// right for the same reason, up to the incomplete tile at the end of some level; and those were compared with the
// signed root, together, when the Checker was opened.
#include <algorithm>
#include <bit>

#include "engine/tree/tree.h"

namespace khipu::tree {

Result<std::optional<Checker>> Checker::open(uint64_t size, const Hash& root, HashSource& source, size_t tiles_max) {
  KHIPU_ASSERT(tiles_max > 0);
  if (size > kSizeMax) return std::optional<Checker>();
  Checker checker(size, tiles_max);
  Peaks peaks;
  for (size_t level = kLevelCount; level-- > 0;) {
    const uint64_t complete = Builder::complete(size, level);
    const size_t count = complete % kTileWidth;
    Edge& edge = checker.edge_[level];
    edge.resize(count);
    if (count > 0) KHIPU_TRY(source.read(level, complete - count, edge));
    std::span<const Hash> rest = edge;
    while (!rest.empty()) {  // from the largest subtree down, as they stand in the tree
      const size_t part = std::bit_floor(rest.size());
      const auto height = static_cast<unsigned>(std::countr_zero(part));
      peaks.append_subtree(static_cast<unsigned>(level) * kTileHeight + height, root_of(rest.first(part)));
      rest = rest.subspan(part);
    }
  }
  if (peaks.root() != root) return std::optional<Checker>();
  return std::optional<Checker>(std::move(checker));
}

Result<bool> Checker::check(uint64_t index, const Hash& leaf, HashSource& source) {
  if (index >= size_) return false;
  return authentic(0, index, leaf, source);
}

Result<bool> Checker::check_tile(uint64_t number, const Hash& root, HashSource& source) {
  if (number >= Builder::complete(size_, 1)) return false;
  return authentic(1, number, root, source);
}

bool Checker::wants_tile(uint64_t number) const {
  return number < Builder::complete(size_, 1) && !slot_of_.contains(number);
}

Result<bool> Checker::take_tile(uint64_t number, const Hash& root, std::span<const Hash, kTileWidth> tile,
                                HashSource& source) {
  if (!wants_tile(number)) return false;
  KHIPU_TRY_ASSIGN(const bool right, authentic(1, number, root, source));
  if (!right) return false;
  auto taken = std::make_unique<Tile>();
  std::copy(tile.begin(), tile.end(), taken->begin());
  remember(number, std::move(taken));
  return true;
}

Result<bool> Checker::authentic(size_t level, uint64_t index, const Hash& hash, HashSource& source) {
  const uint64_t number = index / kTileWidth;
  const size_t offset = index % kTileWidth;
  if (number == Builder::complete(size_, level) / kTileWidth) {
    KHIPU_ASSERT(offset < edge_[level].size());
    return edge_[level][offset] == hash;
  }
  const uint64_t key = uint64_t{level} << 56 | number;
  if (const Tile* tile = remembered(key); tile != nullptr) return (*tile)[offset] == hash;

  auto tile = std::make_unique<Tile>();
  KHIPU_TRY(source.read(level, number * kTileWidth, *tile));
  if ((*tile)[offset] != hash) return false;
  KHIPU_TRY_ASSIGN(const bool right, authentic(level + 1, number, root_of(*tile), source));
  if (right) remember(key, std::move(tile));
  return right;
}

const Checker::Tile* Checker::remembered(uint64_t key) {
  const auto found = slot_of_.find(key);
  if (found == slot_of_.end()) return nullptr;
  Slot& slot = slots_[found->second];
  slot.used = true;
  return slot.tile.get();
}

void Checker::remember(uint64_t key, std::unique_ptr<Tile> tile) {
  size_t place = slots_.size();
  if (place < tiles_max_) {
    slots_.emplace_back();
  } else {
    while (slots_[hand_].used) {
      slots_[hand_].used = false;
      hand_ = (hand_ + 1) % slots_.size();
    }
    place = hand_;
    hand_ = (hand_ + 1) % slots_.size();
    slot_of_.erase(slots_[place].key);
  }
  slots_[place] = {key, false, std::move(tile)};
  slot_of_[key] = place;
}

}  // namespace khipu::tree
