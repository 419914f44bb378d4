// The kernel's File. Not for other rooms: they open files through a Directory.
#pragma once

#include <memory>
#include <string>

#include "engine/os/file.h"
#include "engine/os/posix_error.h"

namespace khipu::os {

// `name` is for messages only.
std::unique_ptr<File> make_posix_file(Descriptor descriptor, std::string name);

}  // namespace khipu::os
