// Which folder stands at a path: after one was moved away and another put in its place, the name is the same and this
// is not. Implemented with the file systems (filesystem.cc).
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"

namespace khipu::os {

struct FolderId {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FolderId&) const = default;
};
// Through links, as open_directory(). kNotFound when nothing is there.
Result<FolderId> folder_id(const std::string& path);

}  // namespace khipu::os
