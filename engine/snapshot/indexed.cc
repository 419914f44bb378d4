// The rows of a segment that its index chose. The index itself: index_cache.h.
#include "engine/segment/format.h"
#include "engine/snapshot/index_cache.h"
#include "engine/snapshot/row_scan.h"
#include "engine/snapshot/segment_cache.h"
#include "engine/snapshot/store.h"
#include "engine/snapshot/tail_index.h"

namespace khipu::snapshot {

namespace {

Error of_other_rows(const codec::IndexStatement& statement) {
  return {Code::kCorrupt, std::string(table_name(statement.table)) + "/" + statement.file +
                              ": its INDEX statement is about other rows"};
}

}  // namespace

Result<std::shared_ptr<const index::Reader>> Snapshot::segment_index(TableId table, const SegmentInfo& segment) const {
  const codec::IndexStatement* const statement =
      segment.sealed ? meta_->index_statement(table, segment.number) : nullptr;
  if (statement == nullptr) return std::shared_ptr<const index::Reader>();
  if (statement->first_row != segment.first_row || statement->rows != segment.rows) return of_other_rows(*statement);
  return store_->indexes_->open(*statement, segment.number);
}

Snapshot::Times Snapshot::occurred(const SegmentInfo& segment) const {
  const codec::IndexStatement* const statement =
      segment.sealed ? meta_->index_statement(TableId::kLogs, segment.number) : nullptr;
  if (statement == nullptr) return std::nullopt;
  {
    const std::lock_guard hold(store_->times_mutex_);
    const auto known = store_->known_times_.find(statement->root);
    if (known != store_->known_times_.end() && known->second.occurred) return known->second.occurred;
  }
  const Times times = [&]() -> Times {
    if (const auto part = merged_part(segment)) return std::pair(part->time_min, part->time_max);
    const auto index = segment_index(TableId::kLogs, segment);
    if (!index.ok() || !*index) return std::nullopt;
    return std::pair((*index)->header().time_min, (*index)->header().time_max);
  }();
  if (!times) return times;
  const std::lock_guard hold(store_->times_mutex_);
  store_->known_times_[statement->root].occurred = times;
  return times;
}

Snapshot::Times Snapshot::recorded(const SegmentInfo& segment) const {
  const codec::IndexStatement* const statement =
      segment.sealed ? meta_->index_statement(TableId::kLogs, segment.number) : nullptr;
  if (statement == nullptr || segment.rows == 0) return std::nullopt;
  {
    const std::lock_guard hold(store_->times_mutex_);
    const auto known = store_->known_times_.find(statement->root);
    if (known != store_->known_times_.end() && known->second.recorded) return known->second.recorded;
  }
  const Times times = [&]() -> Times {
    if (const auto part = merged_part(segment)) return std::pair(part->recorded_first, part->recorded_last);
    const auto index = segment_index(TableId::kLogs, segment);
    if (!index.ok() || !*index) return std::nullopt;
    const Result<index::Column> column = (*index)->recorded();  // never falls
    if (!column.ok()) return std::nullopt;
    return std::pair<TimeUs, TimeUs>((*column)[0], (*column)[(*index)->rows() - 1]);
  }();
  if (!times) return times;
  const std::lock_guard hold(store_->times_mutex_);
  store_->known_times_[statement->root].recorded = times;
  return times;
}

// Those from the segment's first row on that go on where the one before them ends; of a run whose file is gone its
// rows, without index.
Result<std::vector<Part>> Snapshot::runs(TableId table, const SegmentInfo& segment) const {
  std::vector<Part> parts;
  uint64_t at = 0;
  for (const codec::IndexStatement& statement : meta_->runs(table, segment.number)) {
    if (statement.first_row.value != segment.first_row.value + at || statement.rows > segment.rows - at) {
      return of_other_rows(statement);
    }
    KHIPU_TRY_ASSIGN(std::shared_ptr<const index::Reader> index, store_->indexes_->open(statement, segment.number));
    parts.push_back({statement.first_row, statement.rows, std::move(index)});
    at += statement.rows;
  }
  return parts;
}

Result<std::vector<Part>> Snapshot::parts(TableId table, const SegmentInfo& segment) const {
  KHIPU_TRY_ASSIGN(std::shared_ptr<const index::Reader> index, segment_index(table, segment));
  if (index) return std::vector<Part>{{segment.first_row, segment.rows, std::move(index)}};
  KHIPU_TRY_ASSIGN(std::vector<Part> parts, runs(table, segment));
  const uint64_t at = parts.empty() ? 0 : parts.back().first_row.value + parts.back().rows - segment.first_row.value;
  if (table == TableId::kLogs) {
    for (Part& part : store_->tail_->parts(*this, segment, at)) parts.push_back(std::move(part));
  } else if (at < segment.rows) {
    parts.push_back({{segment.first_row.value + at}, segment.rows - at, nullptr});
  }
  return parts;
}

Result<std::shared_ptr<const index::Reader>> Snapshot::index_of_row(TableId table, const SegmentInfo& segment,
                                                                    Row row) const {
  if (!index::is_indexed(table)) return std::shared_ptr<const index::Reader>();
  if (meta_->runs(table, segment.number).empty()) return segment_index(table, segment);
  for (const codec::IndexStatement& statement : meta_->runs(table, segment.number)) {
    if (row < statement.first_row || row.value - statement.first_row.value >= statement.rows) continue;
    return store_->indexes_->open(statement, segment.number);
  }
  return std::shared_ptr<const index::Reader>();
}

Result<void> Snapshot::scan_rows(const SegmentInfo& segment, Row first_row, const index::RowSet& rows,
                                 const index::Column& offsets, Order order, const Visit& visit,
                                 const Sieve* sieve) const {
  const std::string place = std::string("logs/") + segment::segment_name(segment.number);
  KHIPU_TRY_ASSIGN(const Held held, this->view(TableId::kLogs, segment));
  if (!held.view) {  // gone without a RETENTION
    rows.each(false, [&](uint32_t row) {
      visit({{first_row.value + row}, codec::FrameFault::kShort, rows.count(), {}, true, 0, held.finding, held.detail});
      return false;
    });
    return {};
  }
  KHIPU_TRY_ASSIGN(const auto mapping, at(place, held.view->map(segment.end_offset)));
  const Bytes bytes = mapping->bytes().first(std::min<uint64_t>(segment.end_offset, mapping->bytes().size()));
  std::vector<uint32_t> chosen;
  chosen.reserve(rows.count());
  rows.each(false, [&](uint32_t row) {
    chosen.push_back(row);
    return true;
  });
  RowScan scan(*this, TableId::kLogs, *mapping, bytes, order, visit, sieve);
  (void)scan.run(chosen.size(), [&](size_t i) {
    return RowPlace{{first_row.value + chosen[i]}, static_cast<uint64_t>(offsets[chosen[i]])};
  });
  return {};
}

}  // namespace khipu::snapshot
