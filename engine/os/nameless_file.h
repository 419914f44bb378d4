// Files that never have a name: they go with their last descriptor, whatever ends the process. For bytes that are kept
// while they are worked on and must not stay. Not here: who keeps what (engine/cli/spool.h).
#pragma once

#include <memory>
#include <string>

#include "engine/base/result.h"
#include "engine/os/file.h"

namespace khipu::os {

// In the file system of `folder` (O_TMPFILE | O_EXCL: no name can be given to it later). kUnsupported when that file
// system makes none.
Result<std::unique_ptr<File>> nameless_file(const std::string& folder);
// In memory alone (memfd_create): on no disk, but like all memory of a process that is not locked the kernel may write
// its pages to swap. `purpose` is what /proc shows of it.
Result<std::unique_ptr<File>> memory_file(const std::string& purpose);

}  // namespace khipu::os
