// A key file that a service manager handed to one user: root's, mode 0440, and readable because its access control list
// names that user (systemd's $CREDENTIALS_DIRECTORY where the service has a User=). Not here: every other key file
// (key_file.h), whose rules stay as they are.
#pragma once

#include <vector>

#include "engine/crypto/key_file.h"
#include "engine/os/access_list.h"

namespace khipu::crypto {

// The group bits of such a file's mode are its list's mask and grant no group anything. True when that is so, and so
// the file is as good as one of mode 0400: it is root's, nobody may write it, the list lets this user alone read, and
// the file's group, other groups, other users and everybody else nothing.
bool granted_to_us_alone(const os::FileStatus& status, const std::vector<os::AccessEntry>& list, uint32_t user_id);

}  // namespace khipu::crypto
