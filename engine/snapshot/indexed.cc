// The rows of a segment that its index chose. The index itself: index_cache.h.
#include "engine/segment/format.h"
#include "engine/snapshot/index_cache.h"
#include "engine/snapshot/segment_cache.h"
#include "engine/snapshot/store.h"
#include "engine/snapshot/tail_index.h"

namespace khipu::snapshot {

Result<std::shared_ptr<const index::Reader>> Snapshot::segment_index(const SegmentInfo& segment) const {
  const codec::IndexStatement* const statement = segment.sealed ? meta_->index_statement(segment.number) : nullptr;
  if (statement == nullptr) return std::shared_ptr<const index::Reader>();
  if (statement->first_row != segment.first_row || statement->rows != segment.rows) {
    return Error{Code::kCorrupt, "logs/" + statement->file + ": its INDEX statement is about other rows"};
  }
  return store_->indexes_->open(*statement, segment.number);
}

Snapshot::Times Snapshot::occurred(const SegmentInfo& segment) const {
  const codec::IndexStatement* const statement = segment.sealed ? meta_->index_statement(segment.number) : nullptr;
  if (statement == nullptr) return std::nullopt;
  {
    const std::lock_guard hold(store_->times_mutex_);
    const auto known = store_->known_times_.find(statement->root);
    if (known != store_->known_times_.end() && known->second.occurred) return known->second.occurred;
  }
  const auto index = segment_index(segment);
  if (!index.ok() || !*index) return std::nullopt;
  const Times times = std::pair((*index)->header().time_min, (*index)->header().time_max);
  const std::lock_guard hold(store_->times_mutex_);
  store_->known_times_[statement->root].occurred = times;
  return times;
}

Snapshot::Times Snapshot::recorded(const SegmentInfo& segment) const {
  const codec::IndexStatement* const statement = segment.sealed ? meta_->index_statement(segment.number) : nullptr;
  if (statement == nullptr || segment.rows == 0) return std::nullopt;
  {
    const std::lock_guard hold(store_->times_mutex_);
    const auto known = store_->known_times_.find(statement->root);
    if (known != store_->known_times_.end() && known->second.recorded) return known->second.recorded;
  }
  const auto index = segment_index(segment);
  if (!index.ok() || !*index) return std::nullopt;
  const Result<index::Column> column = (*index)->recorded();  // never falls
  if (!column.ok()) return std::nullopt;
  const Times times = std::pair<TimeUs, TimeUs>((*column)[0], (*column)[(*index)->rows() - 1]);
  const std::lock_guard hold(store_->times_mutex_);
  store_->known_times_[statement->root].recorded = times;
  return times;
}

Result<std::vector<Part>> Snapshot::parts(const SegmentInfo& segment) const {
  KHIPU_TRY_ASSIGN(std::shared_ptr<const index::Reader> index, segment_index(segment));
  if (index) return std::vector<Part>{{segment.first_row, segment.rows, std::move(index)}};
  return store_->tail_->parts(*this, segment);
}

Result<void> Snapshot::scan_rows(const SegmentInfo& segment, Row first_row, const index::RowSet& rows,
                                 const index::Column& offsets, Order order, const Visit& visit) const {
  const std::string place = std::string("logs/") + segment::segment_name(segment.number);
  KHIPU_TRY_ASSIGN(const auto view, this->view(TableId::kLogs, segment));
  if (!view) {  // gone without a RETENTION
    rows.each(false, [&](uint32_t row) {
      visit({{first_row.value + row}, codec::FrameFault::kShort, rows.count(), {}, true, 0, "segment-missing"});
      return false;
    });
    return {};
  }
  KHIPU_TRY_ASSIGN(const auto mapping, at(place, view->map(segment.end_offset)));
  const Bytes bytes = mapping->bytes().first(segment.end_offset);
  rows.each(order == Order::kDescending, [&](uint32_t row) {
    return visit(scanned(TableId::kLogs, {first_row.value + row}, static_cast<uint64_t>(offsets[row]), bytes));
  });
  return {};
}

}  // namespace khipu::snapshot
