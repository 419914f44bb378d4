// Where a file holds bytes that were written: what lies between reads as zeroes and takes no room (a sparse file). Not
// here: reading (file.h).
#pragma once

#include "engine/base/result.h"
#include "engine/os/file.h"

namespace khipu::os {

// The first byte at or behind `offset` that is not in a hole (SEEK_DATA); the file's size when only a hole follows.
// `offset` itself where the file system does not tell, and on a test's disk.
Result<uint64_t> data_from(const File& file, uint64_t offset);

}  // namespace khipu::os
