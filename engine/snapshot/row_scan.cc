#include "engine/snapshot/row_scan.h"

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "engine/os/task_threads.h"

namespace khipu::snapshot {
namespace {

constexpr size_t kRowsAtFirst = 16;  // whoever wants a few rows does not pay for a tile of them
constexpr size_t kBatchBytesMax = 1 << 20;
constexpr size_t kHelpFromRows = 4096;  // fewer are read sooner than a thread is started
constexpr size_t kBatchesAhead = 64;    // of those that were visited

// Of the frame that begins there, as far as its length can be believed.
size_t frame_size(Bytes bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < codec::kFrameHeaderSize) return 0;
  const uint64_t length = load_le<uint32_t>(bytes.data() + offset);
  if (length == 0 || length > codec::kPayloadSizeBytesMax) return 0;
  const uint64_t size = codec::kFrameHeaderSize + length;
  return size <= bytes.size() - offset ? size : 0;
}

}  // namespace

// What stands there is the row only if the signed root says so, and if the frame says of it what it says itself.
size_t RowBatch::read(const Snapshot& snapshot, TableId table, Bytes bytes, std::span<const RowPlace> places) {
  rows_.clear();
  sound_.clear();
  numbers_.clear();
  leaves_.clear();
  std::array<size_t, tree::kTileWidth> sizes;
  size_t count = 0, total = 0;
  for (; count < std::min<size_t>(places.size(), sizes.size()); ++count) {
    const size_t size = frame_size(bytes, places[count].offset);
    if (count > 0 && total + size > kBatchBytesMax) break;
    sizes[count] = size;
    total += size;
  }
  if (copies_.size() < total) copies_.resize(total);
  uint8_t* into = copies_.data();
  for (size_t i = 0; i < count; ++i) {
    const uint64_t offset = places[i].offset;
    ScannedRow row{places[i].row, codec::FrameFault::kNone, 0, {}, false, offset};
    if (sizes[i] == 0) {
      row.fault = codec::parse_frame(bytes.subspan(std::min<uint64_t>(offset, bytes.size()))).fault;
      if (row.fault == codec::FrameFault::kNone) row.fault = codec::FrameFault::kShort;  // it was changed just now
      if (offset >= bytes.size()) row.finding = "segment-truncated";
    } else {
      std::copy_n(bytes.data() + offset, sizes[i], into);
      const codec::ParsedFrame parsed = codec::parse_frame(Bytes(into, sizes[i]));
      row.fault = parsed.fault;
      row.frame = parsed.frame;
      into += sizes[i];
    }
    if (row.fault == codec::FrameFault::kNone && table != TableId::kMeta) {
      sound_.push_back(i);
      numbers_.push_back(row.row);
      hasher_.add(row.frame.payload);
    }
    rows_.push_back(row);
  }
  hasher_.finish();
  findings_.assign(sound_.size(), std::string_view());
  failed_.reset();
  if (!sound_.empty()) {
    if (Result<void> all = snapshot.judge_each(table, numbers_, leaves_, findings_); !all.ok()) {
      failed_ = std::move(all).error();
    }
  }
  for (size_t i = 0; i < sound_.size(); ++i) {
    ScannedRow& row = rows_[sound_[i]];
    row.finding = findings_[i];
    if (row.finding.empty()) {
      const Result<codec::FrameFacts> facts = codec::frame_facts(row.frame.payload);
      const bool same = facts.ok() && facts->kind == row.frame.kind && facts->time_us == row.frame.time_us;
      if (!same) row.finding = "frame-corrupt";
    }
    if (!row.finding.empty()) row.fault = codec::FrameFault::kChecksum;
  }
  for (ScannedRow& row : rows_) row.lost = row.fault == codec::FrameFault::kNone ? 0 : 1;
  return count;
}

RowScan::Range RowScan::next(Range left, size_t most, const PlaceAt& at) const {
  const auto tile = [&](size_t i) { return at(i).row.value / tree::kTileWidth; };
  if (descending_) {
    const uint64_t wanted = tile(left.to - 1);
    size_t from = left.to - 1;
    while (from > left.from && left.to - from < most && tile(from - 1) == wanted) --from;
    return {from, left.to};
  }
  const uint64_t wanted = tile(left.from);
  size_t to = left.from + 1;
  while (to < left.to && to - left.from < most && tile(to) == wanted) ++to;
  return {left.from, to};
}

// A row of a page that is no longer there is damaged for that.
bool RowScan::tell(const ScannedRow& row) const {
  if (row.fault == codec::FrameFault::kNone || row.finding != "frame-corrupt" || !mapping_.lost_pages()) {
    return visit_(row);
  }
  ScannedRow lost = row;
  lost.finding = "segment-truncated";
  return visit_(lost);
}

bool RowScan::judged(const RowBatch& batch) {
  if (!batch.failed()) return true;
  const std::lock_guard hold(mutex_);
  if (!failed_) failed_ = batch.failed();
  return false;
}

bool RowScan::visit_all(std::span<const RowPlace> places, RowBatch& batch) {
  if (descending_ && places.size() > 1) {
    // A batch may take fewer than it is given, so the last of them are looked for from the front.
    std::vector<std::span<const RowPlace>> parts;
    for (size_t done = 0; done < places.size();) {
      const size_t took = batch.read(snapshot_, table_, bytes_, places.subspan(done));
      if (!judged(batch)) return false;
      parts.push_back(places.subspan(done, took));
      done += took;
    }
    for (size_t part = parts.size(); part-- > 0;) {
      if (parts.size() > 1) (void)batch.read(snapshot_, table_, bytes_, parts[part]);
      if (!judged(batch)) return false;
      for (size_t i = batch.rows().size(); i-- > 0;) {
        if (!tell(batch.rows()[i])) return false;
      }
    }
    return true;
  }
  while (!places.empty()) {
    places = places.subspan(batch.read(snapshot_, table_, bytes_, places));
    if (!judged(batch)) return false;
    for (const ScannedRow& row : batch.rows()) {
      if (!tell(row)) return false;
    }
  }
  return true;
}

bool RowScan::run(size_t count, const PlaceAt& at) {
  if (sieve_ != nullptr) {
    const unsigned threads = std::min(snapshot_.scan_threads_max(), std::max(1U, std::thread::hardware_concurrency()));
    return run_sieved(count, at, count < kHelpFromRows ? 1 : threads);
  }
  RowBatch batch;
  std::vector<RowPlace> places;
  size_t most = kRowsAtFirst;
  for (Range left{0, count}; left.from < left.to; most = std::min<size_t>(2 * most, tree::kTileWidth)) {
    const Range here = next(left, most, at);
    (descending_ ? left.to : left.from) = descending_ ? here.from : here.to;
    places.clear();
    for (size_t i = here.from; i < here.to; ++i) places.push_back(at(i));
    if (!visit_all(places, batch)) return false;
  }
  return true;
}

// Places of the range whose rows are to be visited.
std::vector<RowPlace> RowScan::sift(Range range, const PlaceAt& at, RowBatch& batch) {
  std::vector<RowPlace> places, wanted;
  for (size_t i = range.from; i < range.to; ++i) places.push_back(at(i));
  for (std::span<const RowPlace> left(places); !left.empty();) {
    left = left.subspan(batch.read(snapshot_, table_, bytes_, left));
    if (!judged(batch)) return wanted;
    for (const ScannedRow& row : batch.rows()) {
      if (row.fault != codec::FrameFault::kNone || sieve_->wants(row)) wanted.push_back({row.row, row.offset});
    }
  }
  return wanted;
}

// Batches are taken in the scan's order by whoever is free, and visited in that order by the owner.
struct RowScan::Crew {
  struct Slot {
    Range range;
    std::vector<RowPlace> wanted;
    bool done = false;
  };
  std::vector<Slot> slots;
  std::mutex mutex;  // guards the members below, and the slots that are not done
  std::condition_variable changed;
  size_t taken = 0, visited = 0;
  bool ended = false;

  bool may_take() const { return !ended && taken < slots.size() && taken < visited + kBatchesAhead; }
};

bool RowScan::run_sieved(size_t count, const PlaceAt& at, unsigned threads) {
  Crew crew;
  for (Range left{0, count}; left.from < left.to;) {
    const Range here = next(left, tree::kTileWidth, at);
    (descending_ ? left.to : left.from) = descending_ ? here.from : here.to;
    crew.slots.push_back({here, {}, false});
  }
  const auto take = [&](RowBatch& batch, std::unique_lock<std::mutex>& lock) {
    Crew::Slot& slot = crew.slots[crew.taken++];
    lock.unlock();
    std::vector<RowPlace> wanted = sift(slot.range, at, batch);
    lock.lock();
    slot.wanted = std::move(wanted);
    slot.done = true;
    crew.changed.notify_all();
  };
  os::TaskThreads helpers(threads - 1);
  for (unsigned i = 1; i < threads; ++i) {
    (void)helpers.run([&] {  // without it the owner does all
      RowBatch batch;
      std::unique_lock lock(crew.mutex);
      for (;;) {
        crew.changed.wait(lock, [&] { return crew.may_take() || crew.ended || crew.taken == crew.slots.size(); });
        if (!crew.may_take()) return;
        take(batch, lock);
      }
    });
  }
  RowBatch batch;
  bool going_on = true;
  for (size_t i = 0; i < crew.slots.size() && going_on; ++i) {
    Crew::Slot& slot = crew.slots[i];
    std::unique_lock lock(crew.mutex);
    while (!slot.done) {
      if (crew.may_take()) {
        take(batch, lock);
      } else {
        crew.changed.wait(lock);
      }
    }
    crew.visited = i + 1;
    crew.changed.notify_all();
    lock.unlock();
    {
      const std::lock_guard hold(mutex_);
      if (failed_) going_on = false;
    }
    going_on = going_on && sieve_->passed(slot.range.to - slot.range.from - slot.wanted.size()) &&
               visit_all(slot.wanted, batch);
  }
  {
    const std::lock_guard lock(crew.mutex);
    crew.ended = true;
    crew.changed.notify_all();
  }
  helpers.wait();
  return going_on;
}

}  // namespace khipu::snapshot
