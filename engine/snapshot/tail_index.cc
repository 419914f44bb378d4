#include "engine/snapshot/tail_index.h"

#include "engine/index/builder.h"
#include "engine/snapshot/segment_cache.h"

namespace khipu::snapshot {
namespace {

constexpr size_t kSegmentsMax = 2;  // the active one, and the one whose index is still being built

}  // namespace

// nullptr when a row cannot be read: whoever scans it finds out.
Result<TailIndex::Piece> TailIndex::build(const Snapshot& snapshot, const SegmentInfo& segment, uint64_t from,
                                          uint32_t rows) const {
  std::vector<uint32_t> columns;
  for (const codec::ColumnSchema& column : snapshot.schema().columns()) {
    if (column.indexed) columns.push_back(column.id);
  }
  std::sort(columns.begin(), columns.end());
  const Row first{segment.first_row.value + from};
  index::Builder builder(segment.number, first, std::move(columns));
  codec::EventRecord event;
  uint32_t sound = 0;
  Result<void> added;
  KHIPU_TRY(snapshot.scan(TableId::kLogs, first, {first.value + rows}, Order::kAscending, [&](const ScannedRow& row) {
    if (row.fault != codec::FrameFault::kNone || !codec::decode_event(row.frame.payload, event).ok()) return false;
    if (event.occurred_at != row.frame.time_us) return false;
    added = builder.add(row.offset, event);
    ++sound;
    return added.ok();
  }));
  KHIPU_TRY(std::move(added));
  if (sound < rows) return Piece();
  KHIPU_TRY_ASSIGN(Buffer body, builder.body());
  KHIPU_TRY_ASSIGN(std::unique_ptr<index::Reader> reader, index::Reader::open(index::BlockFile::of(std::move(body))));
  return Piece(std::move(reader));
}

// What cannot be read is left to the scan, which says why.
void TailIndex::extend(const Snapshot& snapshot, const SegmentInfo& segment) {
  const std::unique_lock building(build_mutex_, std::try_to_lock);
  if (!building.owns_lock()) return;
  for (uint64_t made = 0; made < large_;) {
    std::unique_lock hold(mutex_);
    const Pieces& before = segments_[segment.number];
    const uint64_t base = before.base + before.large.size() * uint64_t{large_};
    const bool large = segment.rows - std::min(segment.rows, base) >= large_;
    const uint64_t from = large ? base : base + before.small.size() * uint64_t{small_};
    const uint32_t rows = large ? large_ : small_;
    hold.unlock();
    if (from + rows > segment.rows) return;
    Result<Piece> piece = build(snapshot, segment, from, rows);
    if (!piece.ok()) return;
    made += rows;
    hold.lock();
    Pieces& pieces = segments_[segment.number];
    (large ? pieces.large : pieces.small).push_back(*std::move(piece));
    if (large) pieces.small.clear();
  }
}

// nullptr: it is scanned. Of a log that grows between the questions it would be made anew for each, and a scan costs
// less.
TailIndex::Piece TailIndex::rest(const Snapshot& snapshot, const SegmentInfo& segment, uint64_t from) {
  const uint64_t rows = segment.rows - from;
  {
    const std::lock_guard hold(mutex_);
    const auto found = segments_.find(segment.number);
    if (found == segments_.end()) return nullptr;
    Pieces::Rest& known = found->second.rest;
    if (!known.is(from, rows)) {
      known = {from, rows, std::nullopt};
      return nullptr;
    }
    if (known.piece) return *known.piece;
  }
  const std::unique_lock building(build_mutex_, std::try_to_lock);
  if (!building.owns_lock() || rows > large_) return nullptr;
  Result<Piece> piece = build(snapshot, segment, from, static_cast<uint32_t>(rows));
  if (!piece.ok()) return nullptr;
  const std::lock_guard hold(mutex_);
  const auto found = segments_.find(segment.number);
  if (found != segments_.end() && found->second.rest.is(from, rows)) found->second.rest.piece = *piece;
  return *piece;
}

// Pieces in front of `to` go: a run has their rows now.
void TailIndex::move_base(Pieces& pieces, uint64_t to) const {
  if (to <= pieces.base) return;
  const uint64_t gone = (to - pieces.base) / large_;
  if ((to - pieces.base) % large_ == 0 && gone <= pieces.large.size()) {
    pieces.large.erase(pieces.large.begin(), pieces.large.begin() + static_cast<ptrdiff_t>(gone));
  } else {
    pieces.large.clear();
    pieces.small.clear();
  }
  pieces.base = to;
}

std::vector<Part> TailIndex::parts(const Snapshot& snapshot, const SegmentInfo& segment, uint64_t from) {
  bool again = false;
  {
    const std::lock_guard hold(mutex_);
    if (snapshot.meta().rollbacks().size() > rollbacks_) {
      segments_.clear();
      rollbacks_ = snapshot.meta().rollbacks().size();
    }
    // Of the newest segments only: an older one without index may be any of thousands.
    const bool newest = segments_.empty() || segments_.rbegin()->first <= segment.number.next();
    if (newest && snapshot.meta().rollbacks().size() == rollbacks_) {
      Pieces& pieces = segments_[segment.number];
      again = std::exchange(pieces.asked, true);
      move_base(pieces, from);
    }
    while (segments_.size() > kSegmentsMax) segments_.erase(segments_.begin());
  }
  if (again) extend(snapshot, segment);
  std::vector<Part> parts;
  uint64_t at = from;
  const auto add = [&](uint64_t rows, Piece piece) {
    parts.push_back({{segment.first_row.value + at}, rows, std::move(piece)});
    at += rows;
  };
  std::unique_lock hold(mutex_);
  const auto found = segments_.find(segment.number);
  if (again && found != segments_.end()) {
    // An older snapshot may know fewer runs than the one the pieces go on behind.
    if (const uint64_t base = std::min(found->second.base, segment.rows); base > at) add(base - at, nullptr);
    for (const Piece& piece : found->second.large) {
      if (at + large_ <= segment.rows) add(large_, piece);
    }
    // Behind large pieces that this snapshot does not wholly see, there are none it sees.
    const bool all = at == found->second.base + found->second.large.size() * uint64_t{large_};
    for (const Piece& piece : found->second.small) {
      if (all && at + small_ <= segment.rows) add(small_, piece);
    }
  }
  hold.unlock();
  if (at < segment.rows) add(segment.rows - at, again ? rest(snapshot, segment, at) : nullptr);
  return parts;
}

}  // namespace khipu::snapshot
