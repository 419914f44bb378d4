// "Did you mean": the nearest of a few known names, for messages about an unknown one. Not for matching data.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace khipu::ingest {

// The name within two edits (one for short words) of `wanted`, or "" when none is near. Names over 64 bytes have none.
std::string_view near_name(std::string_view wanted, std::span<const std::string_view> names);
// " (did you mean 'name'?)" or "".
std::string did_you_mean(std::string_view wanted, std::span<const std::string_view> names);
// The text in single quotes, cut to 80 bytes, with control bytes and quotes replaced: what a message may quote of
// input.
std::string quoted(std::string_view text);

}  // namespace khipu::ingest
