// "Did you mean": the nearest of a few known words, for messages about an unknown one. Not for matching data.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace khipu::query {

inline constexpr size_t kNearSizeMax = 64;  // longer words are near to none
// How many edits make `candidate` of `word`, letters folded, if those are within a third of its length (at least one).
std::optional<size_t> edits_to(std::string_view word, std::string_view candidate);
// The candidate within a third of `word`'s length in edits (at least one), letters folded; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace khipu::query
