#include "engine/snapshot/segment_cache.h"

#include <algorithm>

#include "engine/codec/frame.h"
#include "engine/codec/record.h"
#include "engine/segment/format.h"

namespace khipu::snapshot {

Result<std::shared_ptr<os::Mapping>> SegmentView::map(uint64_t end) {
  const std::lock_guard hold(mutex_);
  return map_locked(end);
}

Result<std::shared_ptr<os::Mapping>> SegmentView::map_locked(uint64_t end) {
  if (mapping_ && mapping_->bytes().size() >= end && !mapping_->lost_pages()) return mapping_;
  KHIPU_TRY_ASSIGN(const uint64_t size, file_->size());
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::Mapping> mapping, file_->map(size));
  mapping_ = std::move(mapping);
  return mapping_;
}

bool SegmentView::walked(uint64_t row) {
  const std::lock_guard hold(mutex_);
  return places_ && places_->first <= row && row < places_->end();
}

Result<std::shared_ptr<const Places>> SegmentView::places(uint64_t from, uint64_t rows, uint64_t end,
                                                          const Start& start) {
  const std::lock_guard hold(mutex_);
  const bool goes_on = places_ && places_->first <= from;
  if (goes_on && places_->end() >= rows) return std::shared_ptr<const Places>(places_);
  KHIPU_TRY_ASSIGN(const std::shared_ptr<os::Mapping> mapping, map_locked(end));
  end = std::min<uint64_t>(end, mapping->bytes().size());
  const Bytes bytes = mapping->bytes().first(end);
  // A reader may hold the old ones: they are copied on growth of an active segment, which happens once a snapshot.
  auto grown = goes_on ? std::make_shared<Places>(*places_) : std::make_shared<Places>();
  uint64_t offset = std::max(walked_to_, segment::kHeaderSize);
  if (!goes_on) {
    const std::optional<Place> known = start();
    const bool usable = known && known->row <= from && known->offset >= segment::kHeaderSize;
    grown->first = usable ? known->row : 0;
    offset = usable ? known->offset : segment::kHeaderSize;
  }
  while (grown->end() < rows && offset + codec::kFrameHeaderSize <= end) {
    const uint64_t length = load_le<uint32_t>(bytes.data() + offset);
    const uint64_t next = offset + codec::kFrameHeaderSize + length;
    if (length == 0 || length > codec::kPayloadSizeBytesMax || next > end) break;
    if (codec::is_row(bytes[offset + 16])) grown->offsets.push_back(static_cast<uint32_t>(offset));
    offset = next;
  }
  walked_to_ = offset;
  places_ = grown;
  return std::shared_ptr<const Places>(places_);
}

Result<std::shared_ptr<SegmentView>> SegmentCache::open(TableId table, SegmentNumber number) {
  const std::lock_guard hold(mutex_);
  const std::pair key(table, number);
  if (const auto found = views_.find(key); found != views_.end()) {
    order_.splice(order_.begin(), order_, found->second.place);
    return found->second.view;
  }
  KHIPU_TRY_ASSIGN(auto directory, root_.open_directory(table_name(table)));
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file,
                   directory->open_file(segment::segment_name(number), os::Mode::kRead));
  while (views_.size() >= open_files_max_) {
    views_.erase(order_.back());
    order_.pop_back();
  }
  order_.push_front(key);
  auto view = std::make_shared<SegmentView>(std::move(file));
  views_.emplace(key, Slot{view, order_.begin()});
  return view;
}

void SegmentCache::forget(TableId table, SegmentNumber last) {
  const std::lock_guard hold(mutex_);
  for (auto next = views_.lower_bound({table, SegmentNumber{0}});
       next != views_.end() && next->first.first == table && next->first.second <= last;) {
    order_.erase(next->second.place);
    next = views_.erase(next);
  }
}

}  // namespace khipu::snapshot
