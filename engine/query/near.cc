#include "engine/query/near.h"

#include <algorithm>

#include "engine/base/fold.h"

namespace khipu::query {
namespace {

// Insertions, deletions, changes and swaps of neighbours (optimal string alignment).
size_t edits(std::string_view a, std::string_view b) {
  const size_t width = b.size() + 1;
  std::vector<size_t> table((a.size() + 1) * width);
  const auto cell = [&](size_t i, size_t j) -> size_t& { return table[i * width + j]; };
  for (size_t i = 0; i <= a.size(); ++i) cell(i, 0) = i;
  for (size_t j = 0; j <= b.size(); ++j) cell(0, j) = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t best = std::min(cell(i - 1, j), cell(i, j - 1)) + 1;
      best = std::min(best, cell(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0U : 1U));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) best = std::min(best, cell(i - 2, j - 2) + 1);
      cell(i, j) = best;
    }
  }
  return cell(a.size(), b.size());
}

}  // namespace

std::optional<size_t> edits_to(std::string_view word, std::string_view candidate) {
  if (word.empty() || word.size() > kNearSizeMax || candidate.size() > kNearSizeMax) return std::nullopt;
  const size_t most = std::max<size_t>(1, word.size() / 3);
  const size_t longer = std::max(word.size(), candidate.size()), shorter = std::min(word.size(), candidate.size());
  if (longer - shorter > most) return std::nullopt;
  const size_t distance = edits(fold(word), fold(candidate));
  return distance <= most ? std::optional(distance) : std::nullopt;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::optional<size_t> best;
  std::string found;
  for (const std::string& candidate : candidates) {
    const std::optional<size_t> distance = edits_to(word, candidate);
    if (!distance || (best && *distance >= *best)) continue;
    best = distance;
    found = candidate;
  }
  return found;
}

}  // namespace khipu::query
