// C2SP checkpoints (c2sp.org/tlog-checkpoint): the text of a signed note that names a tree by origin, size and root.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace khipu::tree {

struct Checkpoint {
  std::string origin;
  uint64_t size = 0;
  Hash root{};
  std::vector<std::string> extensions;  // lines after the root; khipu writes none
  bool operator==(const Checkpoint&) const = default;
};
// From a note's text. kCorrupt: a line is missing or malformed, the size has another form than plain decimal or is over
// 2^63-1, an extension line is empty.
Result<Checkpoint> parse_checkpoint(std::string_view text);
std::string format_checkpoint(const Checkpoint& checkpoint);

}  // namespace khipu::tree
