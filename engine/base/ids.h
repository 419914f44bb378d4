// Strong ids and indices: types, not uint64_t, so that a row never lands where a segment number is wanted.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace khipu {

// An ordinal that compares and steps; the Tag keeps two kinds apart.
template <typename Tag>
struct Ordinal {
  uint64_t value = 0;
  constexpr auto operator<=>(const Ordinal&) const = default;
  constexpr Ordinal next() const { return {value + 1}; }
};

using Row = Ordinal<struct RowTag>;            // row of a table = leaf index of its tree (I1); a row of logs/ is a `seq`
using SegmentNumber = Ordinal<struct SegmentTag>;
using CommitNumber = Ordinal<struct CommitTag>;  // 0 = nothing committed yet; GENESIS is in commit 1
using Epoch = Ordinal<struct EpochTag>;          // retention epoch

// Microseconds since 1970-01-01T00:00:00Z, may be negative.
using TimeUs = int64_t;

using Uid = std::array<uint8_t, 16>;     // a record's random id
using RootId = std::array<uint8_t, 16>;  // the root's random id, fixed by GENESIS
using Hash = std::array<uint8_t, 32>;    // SHA-256

// The tables of a root, in the order commit frames name them. The number is on disk (engine/FORMAT.md).
enum class TableId : uint8_t { kMeta = 0, kRegistry = 1, kLogs = 2, kAccess = 3 };
inline constexpr size_t kTableCount = 4;
inline constexpr std::array<TableId, kTableCount> kTables = {TableId::kMeta, TableId::kRegistry, TableId::kLogs,
                                                             TableId::kAccess};
constexpr size_t index_of(TableId table) { return static_cast<size_t>(table); }
constexpr const char* table_name(TableId table) {
  constexpr const char* kNames[kTableCount] = {"meta", "registry", "logs", "access"};
  return kNames[index_of(table)];
}

}  // namespace khipu
