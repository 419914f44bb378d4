// JSON in one form for each meaning, to compare and group by: no space, members of objects in order of their names,
// strings by their characters, numbers by their value. Not here: whether a text is valid JSON by the book (ingest
// judges that), and nothing for people to read: rows show the text as it was given.
#pragma once

#include <string>
#include <string_view>

#include "engine/codec/record.h"

namespace khipu::query {

// `text` itself when it is not JSON, or is nested more than 64 deep. A number of more than 15 digits that is no plain
// integer stays as it is written: a double would not tell it from its neighbours.
std::string canonical_json(std::string_view text);

// One text for all values of columns that a filter takes for equal.
std::string comparable_text(const codec::Value& value);

}  // namespace khipu::query
