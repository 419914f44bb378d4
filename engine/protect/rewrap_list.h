// What a re-wrap made, as text that goes from whoever opened the keys to whoever adopts them: name and SHA-256 of each
// file. Files in ROOT/keys prove nothing by lying there. Form: engine/FORMAT.md "Lists of a re-wrap". Not here: how the
// files come about and what is done with them (key_admin.h).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace khipu::protect {

inline constexpr uint64_t kRewrapListSizeBytesMax = 256ULL << 20;

struct RewrapList {
  RootId root{};
  std::map<std::string, Hash> files;  // name in keys/ -> SHA-256; possibly none
};

// After the first line it is what `sha256sum -c` reads.
std::string print_rewrap_list(const RewrapList& list);
// kCorrupt unless it is exactly what print_rewrap_list() writes.
Result<RewrapList> parse_rewrap_list(std::string_view text);

}  // namespace khipu::protect
