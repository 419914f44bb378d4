// What merged files say of a snapshot's sealed segments. The files: engine/index/merged.h.
#include <algorithm>

#include "engine/snapshot/index_cache.h"
#include "engine/snapshot/store.h"

namespace khipu::snapshot {
namespace {

constexpr std::array<uint64_t, index::kMergeLevels> kCounts = {index::kMergeFan * index::kMergeFan * index::kMergeFan,
                                                               index::kMergeFan* index::kMergeFan, index::kMergeFan};

}  // namespace

// nullptr: there is none, or one of its segments is not sealed, not held, or gone.
Result<std::shared_ptr<const index::MergedReader>> Snapshot::merged_of(size_t first, uint64_t count) const {
  const std::vector<SegmentInfo>& all = segments(TableId::kLogs);
  std::shared_ptr<const index::MergedReader> none;
  const index::MergedName name = index::merged_around(all[first].number, count);
  if (name.first != all[first].number || count > all.size() - first || !all[first + count - 1].sealed) return none;
  const codec::IndexStatement* const statement = meta_->merged_statement(name);
  if (statement == nullptr) return none;
  const SegmentInfo& last = all[first + count - 1];
  if (statement->first_row != all[first].first_row ||
      statement->rows != last.first_row.value + last.rows - all[first].first_row.value) {
    return Error{Code::kCorrupt, "logs/" + statement->file + ": its INDEX statement is about other rows"};
  }
  return store_->indexes_->open(*statement, name);
}

std::vector<Snapshot::MergedRange> Snapshot::merged(const MergedFailed& failed) const {
  std::vector<MergedRange> ranges;
  const std::vector<SegmentInfo>& all = segments(TableId::kLogs);
  if (!meta_->has_merged()) return ranges;
  for (size_t i = 0; i < all.size();) {
    size_t next = i + 1;
    for (const uint64_t count : kCounts) {
      auto index = merged_of(i, count);
      if (!index.ok()) {
        const SegmentInfo& last = all[std::min<size_t>(i + count, all.size()) - 1];
        failed(all[i], last.first_row.value + last.rows - all[i].first_row.value, index.error());
        continue;
      }
      if (!*index) continue;
      ranges.push_back({i, *std::move(index)});
      next = i + count;
      break;
    }
    i = next;
  }
  return ranges;
}

// What the largest merged file that can be used says of the segment.
std::optional<index::MergedPart> Snapshot::merged_part(const SegmentInfo& segment) const {
  const std::vector<SegmentInfo>& all = segments(TableId::kLogs);
  if (!meta_->has_merged()) return std::nullopt;
  for (const uint64_t count : kCounts) {
    const index::MergedName name = index::merged_around(segment.number, count);
    if (name.first < all.front().number) continue;
    const auto index = merged_of(name.first.value - all.front().number.value, count);
    if (!index.ok() || !*index) continue;
    const auto part = (*index)->part(static_cast<uint32_t>(segment.number.value - name.first.value));
    if (part.ok() && part->first_row == segment.first_row && part->rows == segment.rows) return *part;
  }
  return std::nullopt;
}

}  // namespace khipu::snapshot
