#include "engine/verify/frontier.h"

#include "engine/base/assert.h"
#include "engine/tree/tree.h"

namespace khipu::verify {

Result<Frontier> Frontier::load(uint64_t size, tree::HashSource& source) {
  Frontier frontier;
  std::array<Hash, tree::kTileWidth> hashes;
  for (unsigned height = 63; height-- > 0;) {
    if (((size >> height) & 1) == 0) continue;
    const size_t level = height / tree::kTileHeight;
    const std::span<Hash> part = std::span(hashes).first(size_t{1} << (height % tree::kTileHeight));
    KHIPU_TRY(source.read(level, frontier.size_ >> (tree::kTileHeight * level), part));
    frontier.edge_[height] = tree::root_of(part);
    frontier.size_ += uint64_t{1} << height;
  }
  return frontier;
}

void Frontier::append(const Hash& subtree, unsigned height, const Completed& completed) {
  KHIPU_ASSERT(height < 63 && size_ % (uint64_t{1} << height) == 0);
  Hash hash = subtree;
  unsigned h = height;
  const auto tell = [&] {
    if (h == 0 || h % tree::kTileHeight != 0) return;
    completed(h / tree::kTileHeight, size_ >> h, hash);
  };
  tell();
  while ((size_ >> h) & 1) {
    hash = tree::node_hash(edge_[h], hash);
    size_ -= uint64_t{1} << h;
    ++h;
    tell();
  }
  edge_[h] = hash;
  size_ += uint64_t{1} << h;
}

Hash Frontier::root() const {
  if (size_ == 0) return tree::empty_root();
  Hash root{};
  bool first = true;
  for (unsigned h = 0; h < edge_.size(); ++h) {
    if (((size_ >> h) & 1) == 0) continue;
    root = first ? edge_[h] : tree::node_hash(edge_[h], root);
    first = false;
  }
  return root;
}

}  // namespace khipu::verify
