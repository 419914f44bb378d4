// Whether an Error is the system's: it would not open or read something. That says nothing about what is in it.
#pragma once

#include "engine/base/result.h"

namespace khipu {

// EMFILE, ENFILE, ENOMEM, EIO and the like are kIo, EACCES is kForbidden. What is not there is kNotFound, which may be
// evidence; so may be something that is not a regular file, of which who lists the folder tells.
inline bool of_system(const Error& error) { return error.code == Code::kIo || error.code == Code::kForbidden; }

}  // namespace khipu
