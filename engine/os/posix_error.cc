#include "engine/os/posix_error.h"

#include <unistd.h>

#include <string>
#include <system_error>

namespace khipu::os {

static Code code_of(int number) {
  switch (number) {
    case ENOENT: return Code::kNotFound;
    case ENOSPC:
    case EDQUOT: return Code::kNoSpace;
    case EACCES:
    case EPERM:
    case ELOOP:
    case EISDIR:
    case ENXIO: return Code::kForbidden;  // the last two: a directory or a socket where a file is wanted
    case EEXIST: return Code::kConflict;
    default: return Code::kIo;
  }
}

Error system_error(std::string_view name, std::string_view operation, int number) {
  std::string message(name);
  message += ": ";
  message += operation;
  message += ": ";
  message +=
      number == ELOOP ? "is a symbolic link, and links are not followed here" : std::generic_category().message(number);
  return Error{code_of(number), std::move(message)};
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);  // nothing is committed by a close: every caller that must know has synced before
}

}  // namespace khipu::os
