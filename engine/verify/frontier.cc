#include "engine/verify/frontier.h"

#include <algorithm>

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

void Frontier::append_run(std::span<const Hash> leaves, const Completed& completed) {
  KHIPU_ASSERT(size_ % tree::kTileWidth + leaves.size() <= tree::kTileWidth);
  const uint64_t end = size_ + leaves.size();
  // The subtrees of one height that the run adds stand from [1] on; [0] is for the one at the edge that pairs with
  // them.
  std::array<std::array<Hash, 1 + tree::kTileWidth>, 2> hashes;
  std::span<Hash> here = hashes[0], above = hashes[1];
  std::copy(leaves.begin(), leaves.end(), here.begin() + 1);
  size_t count = leaves.size();
  for (unsigned height = 0; count > 0; ++height) {
    size_t first = 1;
    if (((size_ >> height) & 1) != 0) {
      here[--first] = edge_[height];
      ++count;
    }
    const std::span<const Hash> all = here.subspan(first, count);
    if (count % 2 != 0) edge_[height] = all.back();
    count /= 2;
    tree::node_hashes(all.first(2 * count), above.subspan(1, count));
    const unsigned made = height + 1;
    if (count > 0 && made % tree::kTileHeight == 0) completed(made / tree::kTileHeight, (end >> made) - 1, above[1]);
    std::swap(here, above);
  }
  size_ = end;
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
