// Is this UTF-8? Not here: what a character means, case, width (those are the business of who shows text).
#pragma once

#include "engine/base/bytes.h"

namespace khipu {

bool valid_utf8(Bytes bytes);  // RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF

}  // namespace khipu
