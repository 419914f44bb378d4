// Is this UTF-8? Not here: what a character means, case, width (those are the business of who shows text).
#pragma once

#include <string_view>

#include "engine/base/bytes.h"

namespace khipu {

bool valid_utf8(Bytes bytes);  // RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF

// How many bytes of UTF-8 fit into `size_max` without one character in part.
size_t whole_characters(std::string_view text, size_t size_max);

}  // namespace khipu
