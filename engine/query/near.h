// "Did you mean": the nearest of a few known words, for messages about an unknown one. Not for matching data.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace khipu::query {

// The candidate within a third of `word`'s length in edits (at least one), letters folded; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace khipu::query
