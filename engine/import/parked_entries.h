// The lines of a DLQ file read back, each exactly as parking.h writes them and nothing else: what a reader of a root is
// shown may have been written by anybody who can write there. Not here: opening what is sealed (engine/protect).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/os/file.h"

namespace khipu::import {

struct ParkedEntry {
  std::string file, format, reason;
  uint64_t line = 0, offset = 0, size = 0;
  Hash place{};               // what a sealed entry is bound to
  std::optional<Buffer> raw;  // in the clear, or
  std::string key_id;         // sealed under the key of this id
  Buffer sealed;
};
struct ParkedKey {
  std::string id;  // 64 lower-case hex digits
  Buffer wrapped;
};
// A whole line without its end; kCorrupt for what is none of the two. No message quotes it.
Result<std::variant<ParkedEntry, ParkedKey>> parse_parked(std::string_view line);

inline constexpr size_t kParkedLineSizeBytesMax = 128U << 20;

struct ParkedLines {
  uint64_t whole_size = 0;  // bytes up to and with the last newline
  bool torn = false;        // bytes of a line without its end follow
};
// Calls `visit` with each whole line from the byte `from` on, where one begins; without its newline, in memory bounded
// by the longest. kLimit when that is beyond `line_size_max`.
Result<ParkedLines> each_parked_line(const os::File& file, uint64_t line_size_max,
                                     const std::function<void(std::string_view)>& visit, uint64_t from = 0);

}  // namespace khipu::import
