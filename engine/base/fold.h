// Lower-casing for comparisons: Unicode's simple one-to-one mappings (UnicodeData.txt column 13), no locale, no
// expansions ("SS" is not "ß"), no normalisation. Bytes that are not UTF-8 stay as they are.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/bytes.h"

namespace khipu {

std::string fold(std::string_view text);
// fold(text) contains `folded`; allocates nothing when `text` is ASCII.
bool contains_folded(std::string_view text, std::string_view folded);
// False only when no text in these bytes contains `folded`: for records, whose texts stand in them as they are.
bool may_contain_folded(Bytes bytes, std::string_view folded);
bool starts_folded(std::string_view text, std::string_view folded);
bool equals_folded(std::string_view text, std::string_view folded);

}  // namespace khipu
