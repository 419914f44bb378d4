// One snapshot's rows in runs, and its statements. How it came to be, and one row checked: store.cc.
#include <fmt/format.h>

#include <algorithm>

#include "engine/segment/level_files.h"
#include "engine/snapshot/row_scan.h"
#include "engine/snapshot/segment_cache.h"
#include "engine/snapshot/store.h"
#include "engine/tree/source_of.h"

namespace khipu::snapshot {

using LevelSource = tree::SourceOf<segment::LevelFiles>;

// Empty, or what is wrong with the file: not all that a commit covers is there.
static std::string cut_short(const std::string& place, const os::Mapping& mapping, uint64_t end) {
  if (mapping.lost_pages()) return place + ": pages of it could not be read: it was cut short, or the disk failed";
  if (mapping.bytes().size() >= end) return {};
  return fmt::format("{} has {} bytes, fewer than the {} a signed commit covers", place, mapping.bytes().size(), end);
}

Result<void> Snapshot::each_statement(const VisitStatement& visit) const {
  tree::Builder tree;
  Result<void> outcome;
  KHIPU_TRY(scan(TableId::kMeta, {0}, {size(TableId::kMeta)}, Order::kAscending, [&](const ScannedRow& row) {
    if (row.fault != codec::FrameFault::kNone) {
      outcome = Error{Code::kCorrupt, fmt::format("meta row {}: {}", row.row.value,
                                                  row.detail.empty() ? codec::describe(row.fault) : row.detail)};
      return false;
    }
    const Result<codec::StatementRecord> statement = codec::decode_statement(row.frame.payload);
    if (!statement.ok()) {
      outcome = Error(statement.error()).at(fmt::format("meta row {}", row.row.value));
      return false;
    }
    tree.append(tree::leaf_hash(row.frame.payload));
    visit(row.row, *statement);
    return true;
  }));
  KHIPU_TRY(std::move(outcome));
  if (tree.root() != root(TableId::kMeta)) return Error{Code::kCorrupt, "meta: its rows do not make the signed root"};
  return {};
}

Result<Snapshot::Held> Snapshot::view(TableId table, const SegmentInfo& segment) const {
  Result<std::shared_ptr<SegmentView>> opened = store_->cache_->open(table, segment.number);
  if (opened.ok()) return Held{*std::move(opened), {}, {}};
  const std::string name = fmt::format("{}/{}", table_name(table), segment::segment_name(segment.number));
  if (opened.error().code != Code::kNotFound) {
    KHIPU_TRY_ASSIGN(const auto folder, store_->root_->open_directory(table_name(table)));
    KHIPU_TRY_ASSIGN(const auto entry, folder->stat(segment::segment_name(segment.number)));
    if (entry && entry->kind == os::EntryKind::kFile) return std::move(opened).error().at(name);
    return Held{nullptr, "segment-missing", name + " is not a regular file"};
  }
  // Only logs/ and access/ are ever purged; meta/ may be asked for while the newest snapshot is being made.
  const Held missing{nullptr, "segment-missing", name + " is missing"};
  if (table != TableId::kLogs && table != TableId::kAccess) return missing;
  KHIPU_TRY_ASSIGN(const std::shared_ptr<const Snapshot> newest, store_->snapshot());
  if (const Purge* purge = newest->meta_->purge_of(table, segment.first_row)) return purged_error(*purge);
  return missing;
}

// Of rows from `from` on, counted from the segment's first. Where the last run in front of them ends an index knows;
// what lies before it needs no walk.
Result<std::shared_ptr<const Places>> Snapshot::places(TableId table, const SegmentInfo& segment, SegmentView& view,
                                                       uint64_t from) const {
  return view.places(from, segment.rows, segment.end_offset, [&]() -> std::optional<Place> {
    if (!meta_) return std::nullopt;
    const auto runs = meta_->runs(table, segment.number);
    for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
      const Row last{run->first_row.value + run->rows - 1};
      if (run->rows == 0 || last < segment.first_row || last.value - segment.first_row.value > from) continue;
      const auto index = index_of_row(table, segment, last);
      if (!index.ok() || !*index) continue;
      const Result<index::Column> offsets = (*index)->offsets();
      if (!offsets.ok()) continue;
      return Place{last.value - segment.first_row.value, static_cast<uint64_t>((*offsets)[(*index)->rows() - 1])};
    }
    return std::nullopt;
  });
}

const SegmentInfo* Snapshot::segment_of(TableId table, Row row) const {
  const std::vector<SegmentInfo>& all = segments(table);
  if (row.value >= size(table) || row < all.front().first_row) return nullptr;
  auto after = std::upper_bound(all.begin(), all.end(), row,
                                [](Row wanted, const SegmentInfo& info) { return wanted < info.first_row; });
  return &*std::prev(after);
}

Result<void> Snapshot::scan(TableId table, Row from, Row to, Order order, const Visit& visit,
                            const Sieve* sieve) const {
  to.value = std::min(to.value, size(table));
  if (from >= to) return {};
  if (const Purge* purge = meta_ ? meta_->purge_of(table, from) : nullptr) return purged_error(*purge);
  const std::vector<SegmentInfo>& all = segments(table);
  const size_t first = static_cast<size_t>(segment_of(table, from) - all.data());
  const size_t last = static_cast<size_t>(segment_of(table, {to.value - 1}) - all.data());
  const bool ascending = order == Order::kAscending;
  for (size_t step = 0; step <= last - first; ++step) {
    const SegmentInfo& info = all[ascending ? first + step : last - step];
    if (info.rows == 0) continue;
    const std::string place = fmt::format("{}/{}", table_name(table), segment::segment_name(info.number));
    const uint64_t begin = std::max(from.value, info.first_row.value) - info.first_row.value;
    const uint64_t end = std::min(to.value, info.first_row.value + info.rows) - info.first_row.value;
    KHIPU_TRY_ASSIGN(const Held held, this->view(table, info));
    if (!held.view) {
      const Row missing{info.first_row.value + begin};
      if (!visit({missing, codec::FrameFault::kShort, end - begin, {}, true, 0, held.finding, held.detail})) return {};
      continue;
    }
    KHIPU_TRY_ASSIGN(const auto mapping, at(place, held.view->map(info.end_offset)));
    KHIPU_TRY_ASSIGN(const auto offsets, at(place, places(table, info, *held.view, begin)));
    const Bytes bytes = mapping->bytes().first(std::min<uint64_t>(info.end_offset, mapping->bytes().size()));
    const std::string detail = cut_short(place, *mapping, info.end_offset);
    const uint64_t found = std::min<uint64_t>(end, offsets->end());
    const auto lost = [&] {  // rows behind a frame whose length makes no sense
      if (found >= end) return true;
      const uint64_t at_row = std::max(found, begin);
      return visit({{info.first_row.value + at_row},
                    codec::FrameFault::kLength,
                    end - at_row,
                    {},
                    false,
                    0,
                    detail.empty() ? "frame-corrupt" : "segment-truncated",
                    detail});
    };
    RowScan rows(*this, table, *mapping, bytes, order, visit, sieve);
    const auto read = [&] {
      return found <= begin || rows.run(found - begin, [&](size_t i) {
        return RowPlace{{info.first_row.value + begin + i}, (*offsets)[begin + i]};
      });
    };
    if (!ascending && !lost()) return {};
    if (!read()) {
      if (rows.failed()) return *rows.failed();
      return {};
    }
    if (ascending && !lost()) return {};
  }
  return {};
}

Result<std::unique_ptr<tree::HashSource>> Snapshot::hashes(TableId table) const {
  KHIPU_TRY_ASSIGN(auto directory, store_->root_->open_directory(table_name(table)));
  KHIPU_TRY_ASSIGN(segment::LevelFiles levels, segment::LevelFiles::open(*directory, false));
  return std::unique_ptr<tree::HashSource>(std::make_unique<LevelSource>(std::move(levels)));
}

}  // namespace khipu::snapshot
