#include "engine/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace khipu {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "khipu: %s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kNotFound: return "not_found";
    case Code::kConflict: return "conflict";
    case Code::kLocked: return "locked";
    case Code::kCorrupt: return "corrupt";
    case Code::kUnsupported: return "unsupported";
    case Code::kIo: return "io";
    case Code::kNoSpace: return "no_space";
    case Code::kPoisoned: return "poisoned";
    case Code::kBusy: return "busy";
    case Code::kForbidden: return "forbidden";
    case Code::kPurged: return "purged";
    case Code::kCancelled: return "cancelled";
    case Code::kLimit: return "limit";
  }
  return "unknown";
}

}  // namespace khipu
