// The key of cursors (engine/query/cursor.h), which outlives the process that made it: a key file of kind index. It
// lies
//   in the file that is named, which is made when it is missing; and when none is named
//   in cursor.key of ROOT.keys/, where somebody put one that this user may read; else
//   in cursor.key of $XDG_STATE_HOME/khipu (default ~/.local/state/khipu), which is made when it is missing.
// With no such place, a random key that lasts as long as the process.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "engine/base/result.h"

namespace khipu::crypto {

inline constexpr std::string_view kCursorKeyFileName = "cursor.key";

struct CursorKey {
  std::array<uint8_t, 32> bytes{};
  std::optional<Error> unkept;  // why the key lasts as long as the process
};
// `file`: as named; may be empty. `keys`: ROOT.keys. Fails only when `file` is there and is not a key to be taken.
Result<CursorKey> cursor_key(const std::string& file, const std::string& keys);

}  // namespace khipu::crypto
