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
Result<std::shared_ptr<const index::MergedReader>> Snapshot::merged_of(TableId table, size_t first,
                                                                       uint64_t count) const {
  const std::vector<SegmentInfo>& all = segments(table);
  std::shared_ptr<const index::MergedReader> none;
  const index::MergedName name = index::merged_around(all[first].number, count);
  if (name.first != all[first].number || count > all.size() - first || !all[first + count - 1].sealed) return none;
  const codec::IndexStatement* const statement = meta_->merged_statement(table, name);
  if (statement == nullptr) return none;
  const SegmentInfo& last = all[first + count - 1];
  if (statement->first_row != all[first].first_row ||
      statement->rows != last.first_row.value + last.rows - all[first].first_row.value) {
    return Error{Code::kCorrupt,
                 std::string(table_name(table)) + "/" + statement->file + ": its INDEX statement is about other rows"};
  }
  return store_->indexes_->open(*statement, name);
}

std::vector<Snapshot::MergedRange> Snapshot::merged(TableId table, const MergedFailed& failed) const {
  std::vector<MergedRange> ranges;
  const std::vector<SegmentInfo>& all = segments(table);
  if (!meta_->has_merged()) return ranges;
  for (size_t i = 0; i < all.size();) {
    size_t next = i + 1;
    for (const uint64_t count : kCounts) {
      auto index = merged_of(table, i, count);
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

// What the largest file that can be used says of the term, of those whose first (ascending) or last (descending)
// segment is segments()[edge].
std::optional<Snapshot::Range> Snapshot::range_at(TableId table, size_t edge, const index::Term& term, Order order,
                                                  const MergedFailed& failed) const {
  if (!meta_->has_merged()) return std::nullopt;
  const std::vector<SegmentInfo>& all = segments(table);
  for (const uint64_t count : kCounts) {
    if (order == Order::kDescending && edge + 1 < count) continue;
    const size_t first = order == Order::kDescending ? edge + 1 - count : edge;
    const auto ask = [&]() -> Result<std::optional<Range>> {
      KHIPU_TRY_ASSIGN(const std::shared_ptr<const index::MergedReader> index, merged_of(table, first, count));
      if (!index) return std::optional<Range>();
      KHIPU_TRY_ASSIGN(std::vector<index::Held> held, index->find(term));
      return std::optional(Range{first, count, std::move(held)});
    };
    Result<std::optional<Range>> range = ask();
    if (range.ok() && *range) return *std::move(range);
    if (range.ok()) continue;
    const SegmentInfo& last = all[std::min<size_t>(first + count, all.size()) - 1];
    failed(all[first], last.first_row.value + last.rows - all[first].first_row.value, range.error());
  }
  return std::nullopt;
}

Result<void> Snapshot::each_holding(TableId table, const index::Term& term, Order order, const MergedFailed& failed,
                                    const VisitSegment& visit) const {
  const std::vector<SegmentInfo>& all = segments(table);
  const bool descending = order == Order::kDescending;
  for (size_t done = 0; done < all.size();) {
    const size_t edge = descending ? all.size() - 1 - done : done;
    std::optional<Range> range = range_at(table, edge, term, order, failed);
    if (!range) range = Range{edge, 1, {{0, 1}}};  // whoever asks its own index learns it
    if (descending) std::reverse(range->held.begin(), range->held.end());
    for (const index::Held& held : range->held) {
      KHIPU_TRY_ASSIGN(const bool going_on, visit(all[range->first + held.segment]));
      if (!going_on) return {};
    }
    done += range->count;
  }
  return {};
}

// What the largest merged file that can be used says of the segment of logs/.
std::optional<index::MergedPart> Snapshot::merged_part(const SegmentInfo& segment) const {
  const std::vector<SegmentInfo>& all = segments(TableId::kLogs);
  if (!meta_->has_merged()) return std::nullopt;
  for (const uint64_t count : kCounts) {
    const index::MergedName name = index::merged_around(segment.number, count);
    if (name.first < all.front().number) continue;
    const auto index = merged_of(TableId::kLogs, name.first.value - all.front().number.value, count);
    if (!index.ok() || !*index) continue;
    const auto part = (*index)->part(static_cast<uint32_t>(segment.number.value - name.first.value));
    if (part.ok() && part->first_row == segment.first_row && part->rows == segment.rows) return *part;
  }
  return std::nullopt;
}

}  // namespace khipu::snapshot
