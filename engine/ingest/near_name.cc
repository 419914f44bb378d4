#include "engine/ingest/near_name.h"

#include <algorithm>
#include <array>

namespace khipu::ingest {
namespace {

constexpr size_t kSizeMax = 64;

// Optimal string alignment distance: edits and swaps of neighbours.
size_t distance(std::string_view a, std::string_view b) {
  std::array<std::array<size_t, kSizeMax + 1>, 3> rows{};
  for (size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    const auto& two_above = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], two_above[j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
}

}  // namespace

std::string_view near_name(std::string_view wanted, std::span<const std::string_view> names) {
  if (wanted.empty() || wanted.size() > kSizeMax) return {};
  size_t best = wanted.size() <= 4 ? 2 : 3;  // exclusive
  std::string_view nearest;
  for (const std::string_view name : names) {
    if (name.size() > kSizeMax) continue;
    if (const size_t edits = distance(wanted, name); edits < best) {
      best = edits;
      nearest = name;
    }
  }
  return nearest;
}

std::string did_you_mean(std::string_view wanted, std::span<const std::string_view> names) {
  const std::string_view nearest = near_name(wanted, names);
  if (nearest.empty()) return {};
  return " (did you mean '" + std::string(nearest) + "'?)";
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 80)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte >= 0x7F || c == '\'' ? '?' : c;
  }
  if (text.size() > 80) out += "...";
  out += '\'';
  return out;
}

}  // namespace khipu::ingest
