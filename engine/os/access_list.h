// The POSIX access control list of an open file (acl(5)). With one, the group bits of a file's mode are no longer the
// group's rights but the most that anybody in the list may have: a key file that a service manager gives to one user
// (systemd's credentials: root's, mode 0440) can only be told by its list from one that a group may read.
// Not here: what a key file may grant (engine/crypto/key_file.h).
#pragma once

#include <optional>
#include <vector>

#include "engine/os/file.h"

namespace khipu::os {

struct AccessEntry {
  enum class Who : uint16_t { kOwner = 1, kUser = 2, kGroup = 4, kNamedGroup = 8, kMask = 16, kOther = 32 };
  Who who = Who::kOwner;
  uint32_t id = 0;     // of kUser and kNamedGroup
  uint8_t rights = 0;  // 4 read, 2 write, 1 execute
};

// nullopt: it has none, or its file system knows none. Any thread.
Result<std::optional<std::vector<AccessEntry>>> access_list(const File& file);
// The kernel's form of it: u32 version 2, then u16 who, u16 rights, u32 id each. kCorrupt for anything else.
Result<std::vector<AccessEntry>> parse_access_list(Bytes bytes);

}  // namespace khipu::os
