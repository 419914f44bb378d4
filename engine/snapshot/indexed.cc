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
      visit({{first_row.value + row}, codec::FrameFault::kShort, rows.count(), {}, true});
      return false;
    });
    return {};
  }
  KHIPU_TRY_ASSIGN(const auto mapping, at(place, view->map(segment.end_offset)));
  const Bytes bytes = mapping->bytes().first(segment.end_offset);
  rows.each(order == Order::kDescending, [&](uint32_t row) {
    const auto offset = static_cast<uint64_t>(offsets[row]);
    const codec::ParsedFrame parsed = codec::parse_frame(bytes.subspan(std::min<uint64_t>(offset, bytes.size())));
    const bool sound = parsed.fault == codec::FrameFault::kNone;
    return visit({{first_row.value + row}, parsed.fault, sound ? 0U : 1U, parsed.frame, false, offset});
  });
  return {};
}

}  // namespace khipu::snapshot
