// Paths of tiles in a log that is served as files (c2sp.org/tlog-tiles): "tile/0/x001/x234/067.p/112". One header makes
// and parses them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace khipu::tree {

struct TilePath {
  std::optional<unsigned> level;  // 0 to 63; nullopt: a bundle of entries
  uint64_t index = 0;
  unsigned width = 256;  // hashes or entries; under 256: a partial tile
  bool operator==(const TilePath&) const = default;
};
std::string format_tile_path(const TilePath& path);
// nullopt unless exactly of that form: no leading zeroes beyond the three digits, nothing else around it.
std::optional<TilePath> parse_tile_path(std::string_view path);

}  // namespace khipu::tree
