// Roots of parts of a stored tree, from as few stored hashes as will do. Internal to this room.
#pragma once

#include "engine/tree/tree.h"

namespace khipu::tree {

// Of leaves [begin, end) where `begin` is a multiple of the greatest power of two that fits into the count: the parts
// that RFC 6962 splits a tree into are of this form.
Result<Peaks> read_peaks(uint64_t begin, uint64_t end, HashSource& source);

}  // namespace khipu::tree
