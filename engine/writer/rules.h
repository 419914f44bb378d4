// What committed statements allow the next ones: rows already let go, holds, a stepped clock. Immutable once shared.
// Not here: what leaves by which policy (engine/retention).
#pragma once

#include <array>
#include <set>
#include <string>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/statement.h"

namespace khipu::writer {

struct Rules {
  std::array<Row, kTableCount> retained{};                    // rows below it were let go
  std::array<SegmentNumber, kTableCount> retained_segment{};  // and segments below it
  std::set<std::string> holds;                                // names of those that are set
  bool clock_stepped = false;

  // kConflict: a RETENTION or a SHRED while a hold is set, one that does not go on where the last one ended (overlap),
  // a hold that is set already, a clock cleared that has not stepped. kNotFound: lifting one that is not set.
  Result<void> check(const codec::Statement& statement) const;
  void apply(const codec::Statement& statement);
  // Does this statement change what is allowed, or depend on it?
  static bool concern(const codec::Statement& statement);
};

}  // namespace khipu::writer
