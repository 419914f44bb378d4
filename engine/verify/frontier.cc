#include "engine/verify/frontier.h"

#include "engine/base/assert.h"
#include "engine/tree/tree.h"

namespace khipu::verify {

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
