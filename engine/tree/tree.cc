#include "engine/tree/tree.h"

#include <bit>

#include "engine/crypto/hash.h"
#include "engine/tree/subtree.h"

namespace khipu::tree {

static constexpr uint8_t kLeafPrefix = 0x00;
static constexpr uint8_t kNodePrefix = 0x01;

Hash empty_root() { return crypto::sha256(Bytes()); }

Hash leaf_hash(Bytes record) { return crypto::sha256({Bytes(&kLeafPrefix, 1), record}); }

Hash node_hash(const Hash& left, const Hash& right) { return crypto::sha256_pair(kNodePrefix, left, right); }

void node_hashes(std::span<const Hash> children, std::span<Hash> parents) {
  crypto::sha256_pairs(kNodePrefix, children, parents);
}

void LeafHasher::add(Bytes record) {
  leaves_.emplace_back();
  if (batch_.add(kLeafPrefix, record)) return;
  make(leaves_.size() - 1);
  if (!batch_.add(kLeafPrefix, record)) leaves_.back() = leaf_hash(record);
}

void LeafHasher::make(size_t end) { batch_.finish(std::span(leaves_).first(end).last(batch_.count())); }

void Peaks::append_subtree(unsigned height, const Hash& hash) {
  KHIPU_ASSERT(height < peaks_.size() && (count_ & ((uint64_t{2} << height) - 1)) == 0);
  peaks_[height] = hash;
  count_ += uint64_t{1} << height;
}

void Peaks::append_aligned(unsigned height, Hash hash) {
  KHIPU_ASSERT(height < peaks_.size() && (count_ & ((uint64_t{1} << height) - 1)) == 0);
  const uint64_t added = uint64_t{1} << height;
  for (; (count_ >> height & 1) != 0; ++height) hash = node_hash(peaks_[height], hash);
  peaks_[height] = hash;
  count_ += added;
}

Hash Peaks::root() const {
  if (count_ == 0) return empty_root();
  auto height = static_cast<unsigned>(std::countr_zero(count_));
  Hash root = peaks_[height];
  for (++height; height < peaks_.size(); ++height) {
    if ((count_ >> height & 1) != 0) root = node_hash(peaks_[height], root);
  }
  return root;
}

Hash root_of(std::span<const Hash> hashes) {
  KHIPU_ASSERT(!hashes.empty());
  Peaks peaks;
  peaks.append_run(hashes, [](unsigned, std::span<const Hash>) {});
  return peaks.root();
}

uint64_t Builder::complete(uint64_t size, size_t level) {
  KHIPU_ASSERT(level < kLevelCount);
  return size >> (kTileHeight * level);
}

// A level of some of them at a time, whose nodes stay in a near cache.
void roots_of_tiles(std::span<const TileView> tiles, std::span<Hash> roots) {
  constexpr size_t kTilesAtOnce = 32, kPairs = kTileWidth / 2;
  KHIPU_ASSERT(tiles.size() == roots.size());
  std::vector<Hash> here(std::min(tiles.size(), kTilesAtOnce) * kPairs), above(here.size());
  while (!tiles.empty()) {
    const size_t now = std::min(tiles.size(), kTilesAtOnce);
    for (size_t i = 0; i < now; ++i) node_hashes(tiles[i], std::span(here).subspan(i * kPairs, kPairs));
    size_t count = now * kPairs / 2;
    for (; count > now; count /= 2) {
      node_hashes(std::span(here).first(2 * count), std::span(above).first(count));
      above.swap(here);
    }
    node_hashes(std::span(here).first(2 * count), roots.first(now));
    tiles = tiles.subspan(now);
    roots = roots.subspan(now);
  }
}

void roots_of_tiles(std::span<const Hash> hashes, std::span<Hash> roots) {
  KHIPU_ASSERT(hashes.size() == roots.size() * kTileWidth);
  std::vector<TileView> tiles;
  for (size_t i = 0; i < roots.size(); ++i) tiles.emplace_back(hashes.subspan(i * kTileWidth).first<kTileWidth>());
  roots_of_tiles(tiles, roots);
}

TileNodes nodes_of_tiles(std::span<const TileView> tiles) {
  TileNodes nodes;
  constexpr size_t kPairs = kTileWidth / 2;
  nodes[1].resize(tiles.size() * kPairs);
  for (size_t i = 0; i < tiles.size(); ++i) node_hashes(tiles[i], std::span(nodes[1]).subspan(i * kPairs, kPairs));
  for (size_t height = 2; height < nodes.size(); ++height) {
    nodes[height].resize(nodes[height - 1].size() / 2);
    node_hashes(nodes[height - 1], nodes[height]);
  }
  return nodes;
}

void Builder::append(std::span<const Hash> leaves, std::array<std::vector<Hash>, kLevelCount>& levels) {
  levels[0].insert(levels[0].end(), leaves.begin(), leaves.end());
  peaks_.append_run(leaves, [&](unsigned height, std::span<const Hash> hashes) {
    if (height % kTileHeight != 0) return;
    std::vector<Hash>& level = levels[height / kTileHeight];
    level.insert(level.end(), hashes.begin(), hashes.end());
  });
}

Result<Peaks> read_peaks(uint64_t begin, uint64_t end, HashSource& source) {
  KHIPU_ASSERT(begin <= end);
  const uint64_t count = end - begin;
  KHIPU_ASSERT(count == 0 || begin % std::bit_floor(count) == 0);
  Peaks peaks;
  std::array<Hash, kTileWidth / 2> hashes;
  for (unsigned height = 64; height-- > 0;) {
    if ((count >> height & 1) == 0) continue;
    const size_t level = height / kTileHeight;
    const std::span<Hash> part = std::span(hashes).first(size_t{1} << (height % kTileHeight));
    KHIPU_TRY(source.read(level, (begin + peaks.count()) >> (kTileHeight * level), part));
    peaks.append_subtree(height, root_of(part));
  }
  return peaks;
}

Result<Builder> Builder::load(uint64_t size, HashSource& source) {
  Builder builder;
  KHIPU_TRY_ASSIGN(builder.peaks_, read_peaks(0, size, source));
  return builder;
}

Result<Hash> root_at(uint64_t size, HashSource& source) {
  KHIPU_TRY_ASSIGN(const Peaks peaks, read_peaks(0, size, source));
  return peaks.root();
}

}  // namespace khipu::tree
