#include "engine/tree/tile_path.h"

#include <charconv>

namespace khipu::tree {

static constexpr unsigned kTileLevelMax = 63;
static constexpr unsigned kTileWidthMax = 256;

static std::string three_digits(uint64_t value) {
  const std::string digits = std::to_string(value);
  return std::string(3 - digits.size(), '0') + digits;
}

std::string format_tile_path(const TilePath& path) {
  std::string index = three_digits(path.index % 1000);
  for (uint64_t rest = path.index / 1000; rest > 0; rest /= 1000) {
    index.insert(0, "x" + three_digits(rest % 1000) + "/");
  }
  std::string text = "tile/" + (path.level ? std::to_string(*path.level) : "entries") + "/" + index;
  if (path.width < kTileWidthMax) text += ".p/" + std::to_string(path.width);
  return text;
}

// What format() makes is the only form of a tile's path, so a loose reading is enough before the comparison.
std::optional<TilePath> parse_tile_path(std::string_view text) {
  const auto number = [](std::string_view digits, uint64_t max) -> std::optional<uint64_t> {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value > max) return std::nullopt;
    return value;
  };
  std::string_view rest = text;
  if (!rest.starts_with("tile/")) return std::nullopt;
  rest.remove_prefix(5);
  const size_t slash = rest.find('/');
  if (slash == rest.npos) return std::nullopt;
  TilePath path;
  if (rest.substr(0, slash) != "entries") {
    const auto level = number(rest.substr(0, slash), kTileLevelMax);
    if (!level) return std::nullopt;
    path.level = static_cast<unsigned>(*level);
  }
  rest.remove_prefix(slash + 1);
  if (const size_t partial = rest.find(".p/"); partial != rest.npos) {
    const auto width = number(rest.substr(partial + 3), kTileWidthMax - 1);
    if (!width || *width == 0) return std::nullopt;
    path.width = static_cast<unsigned>(*width);
    rest = rest.substr(0, partial);
  }
  while (!rest.empty()) {
    const bool more = rest[0] == 'x';
    const std::string_view group = rest.substr(more, 3);
    const auto value = number(group, 999);
    if (!value || path.index > (UINT64_MAX - *value) / 1000) return std::nullopt;
    path.index = path.index * 1000 + *value;
    rest.remove_prefix(more + group.size());
    if (more && !rest.starts_with('/')) return std::nullopt;
    if (more) rest.remove_prefix(1);
    if (!more) break;
  }
  if (!rest.empty() || format_tile_path(path) != text) return std::nullopt;
  return path;
}

}  // namespace khipu::tree
