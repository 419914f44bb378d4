// Compact ranges: the roots of the largest aligned complete subtrees that rows [begin, end) fall into, left to right.
// With those of [0, from) and [to, size) a run of leaves makes the root: nothing in it is missing or moved.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/tree/tree.h"

namespace khipu::tree {

Result<std::vector<Hash>> compact_range(uint64_t begin, uint64_t end, HashSource& source);
// The root of a tree of `size` whose rows [from, from + leaves.size()) are these; nullopt when left or right are not of
// the right length.
std::optional<Hash> root_with_range(uint64_t size, uint64_t from, std::span<const Hash> leaves,
                                    std::span<const Hash> left, std::span<const Hash> right);

}  // namespace khipu::tree
