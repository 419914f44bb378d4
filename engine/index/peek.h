// Where a row stands, as an index file says it, read without checking a block of it: for who holds what stands there
// against the row's own leaf, and walks the segment when it does not fit. Three small reads in the place of hashing
// blocks, in a process that wants one row. Not for anything that counts rows or leaves some out (file.h).
#pragma once

#include "engine/base/result.h"
#include "engine/os/file.h"

namespace khipu::index {

// The frame's offset in the segment; `row` counted from the first one the file is about. kCorrupt when the file cannot
// be an index with such a row.
Result<uint64_t> peek_offset(const os::File& file, uint64_t row);

}  // namespace khipu::index
