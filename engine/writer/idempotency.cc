#include "engine/writer/idempotency.h"

#include <algorithm>
#include <utility>

#include "engine/codec/frame.h"
#include "engine/segment/format.h"

namespace khipu::writer {
namespace {

// Two cover slots, then entries. A slot: u32 crc32c over the rest | u32 window_s | u64 sequence | u64 rows | u64
// keys_max.
constexpr uint64_t kSlotSize = 32;
constexpr uint64_t kEntriesOffset = 2 * kSlotSize;
// An entry: u32 crc32c over the rest | u32 zero | key 16 | body 16 | u64 first seq | u64 count | i64 recorded | u64
// commit.
constexpr size_t kEntrySize = 72;
constexpr size_t kEntriesAtOnce = 8192;    // 576 KiB
constexpr uint64_t kOutlivedMin = 4096;    // entries that fell out of the window and are not worth writing anew for
constexpr uint64_t kSizeMax = 1ULL << 34;  // more than any window of keys takes
// More than a configuration may say: a slot is no reason to remember without end.
constexpr uint64_t kKeysMax = 1ULL << 26;
constexpr uint32_t kWindowMaxS = 31 * 86400;
constexpr std::string_view kNewName = "idempotency.log.new";

void append_entry(Buffer& to, const Answered& answered) {
  const size_t start = to.size();
  append_le(to, uint64_t{0});
  append(to, answered.key);
  append(to, answered.body);
  append_le(to, answered.first_seq.value);
  append_le(to, answered.count);
  append_le(to, answered.recorded_at);
  append_le(to, answered.commit.value);
  KHIPU_ASSERT(to.size() - start == kEntrySize);
  store_le(to.data() + start, codec::crc32c(Bytes(to).subspan(start + 4)));
}

Buffer encode_slot(uint64_t sequence, uint64_t rows, const KeyBounds& bounds) {
  Buffer slot;
  append_le(slot, uint32_t{0});
  const int64_t window_s = bounds.window_us / 1000000 + (bounds.window_us % 1000000 > 0 ? 1 : 0);
  append_le(slot, static_cast<uint32_t>(std::clamp<int64_t>(window_s, 0, kWindowMaxS)));
  append_le(slot, sequence);
  append_le(slot, rows);
  append_le(slot, bounds.keys_max);
  store_le(slot.data(), codec::crc32c(Bytes(slot).subspan(4)));
  return slot;
}

bool sound(Bytes block) { return load_le<uint32_t>(block.data()) == codec::crc32c(block.subspan(4)); }

Result<std::unique_ptr<os::File>> make_new(os::Directory& root) {
  if (auto removed = root.unlink(kNewName); !removed.ok() && removed.error().code != Code::kNotFound) {
    return std::move(removed).error();
  }
  return root.open_file(kNewName, os::Mode::kCreateNew);
}

}  // namespace

const Answered* IdempotencyWindow::find(const std::array<uint8_t, 16>& key, TimeUs now) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const Answered& answered = order_[found->second - first_];
  return answered.recorded_at + window_us_ < now ? nullptr : &answered;
}

void IdempotencyWindow::add(const Answered& answered) {
  by_key_[answered.key] = first_ + order_.size();
  order_.push_back(answered);
}

void IdempotencyWindow::remove_last() {
  by_key_.erase(order_.back().key);
  order_.pop_back();
}

void IdempotencyWindow::trim(TimeUs now) {
  while (!order_.empty() && (order_.size() > keys_max_ || order_.front().recorded_at + window_us_ < now)) {
    const auto found = by_key_.find(order_.front().key);
    if (found != by_key_.end() && found->second == first_) by_key_.erase(found);
    order_.pop_front();
    ++first_;
  }
}

Result<IdempotencyLog::Loaded> IdempotencyLog::load(os::Directory& root, uint64_t newest_max) {
  Loaded loaded;
  auto file = root.open_file(segment::kIdempotencyName, os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code == Code::kNotFound) return loaded;
    return std::move(file).error();
  }
  KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
  if (size < kEntriesOffset || size > kSizeMax) return loaded;  // nothing of ours: a cache, read again from the records
  Buffer bytes(kEntriesOffset);
  KHIPU_TRY(file.value()->read_exactly(0, bytes));
  uint64_t newest = 0;
  for (size_t i = 0; i < 2; ++i) {
    const Bytes slot = Bytes(bytes).subspan(i * kSlotSize, kSlotSize);
    if (!sound(slot) || load_le<uint64_t>(slot.data() + 8) < newest) continue;
    newest = load_le<uint64_t>(slot.data() + 8);
    loaded.covered_rows = load_le<uint64_t>(slot.data() + 16);
    loaded.bounds.window_us = int64_t{std::min(load_le<uint32_t>(slot.data() + 4), kWindowMaxS)} * 1000000;
    loaded.bounds.keys_max = std::min(load_le<uint64_t>(slot.data() + 24), kKeysMax);
  }
  const uint64_t entries = (size - kEntriesOffset) / kEntrySize;
  const uint64_t wanted = std::min(entries, newest_max);
  loaded.entries.reserve(wanted);
  for (uint64_t number = entries - wanted; number < entries;) {
    const uint64_t count = std::min<uint64_t>(entries - number, kEntriesAtOnce);
    bytes.resize(count * kEntrySize);
    KHIPU_TRY(file.value()->read_exactly(kEntriesOffset + number * kEntrySize, bytes));
    number += count;
    for (size_t offset = 0; offset < bytes.size(); offset += kEntrySize) {
      const Bytes block = Bytes(bytes).subspan(offset, kEntrySize);
      if (!sound(block)) continue;  // a cache: what is damaged here is read again from the records if it is young
      Cursor cursor(block.subspan(8));
      Answered answered;
      answered.key = cursor.array<16>();
      answered.body = cursor.array<16>();
      answered.first_seq.value = cursor.get<uint64_t>();
      answered.count = cursor.get<uint64_t>();
      answered.recorded_at = cursor.get<int64_t>();
      answered.commit.value = cursor.get<uint64_t>();
      loaded.entries.push_back(answered);
    }
  }
  return loaded;
}

Result<std::unique_ptr<IdempotencyLog>> IdempotencyLog::create(os::Directory& root, const std::deque<Answered>& entries,
                                                               uint64_t rows, uint64_t first_number,
                                                               const KeyBounds& bounds) {
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, make_new(root));
  std::unique_ptr<IdempotencyLog> log(new IdempotencyLog(root, std::move(file)));
  log->covers_ = 1;
  log->bounds_ = bounds;
  Buffer bytes = encode_slot(log->covers_, rows, bounds);
  bytes.resize(kEntriesOffset);
  for (const Answered& answered : entries) {
    append_entry(bytes, answered);
    if (bytes.size() < kEntriesAtOnce * kEntrySize) continue;
    KHIPU_TRY(log->file_->write_at(log->end_, bytes));
    log->end_ += bytes.size();
    bytes.clear();
  }
  KHIPU_TRY(log->file_->write_at(log->end_, bytes));
  log->end_ += bytes.size();
  log->first_number_ = first_number;
  KHIPU_TRY(log->file_->sync());
  KHIPU_TRY(root.rename(kNewName, segment::kIdempotencyName));
  KHIPU_TRY(root.sync());
  return log;
}

Result<void> IdempotencyLog::append(const std::vector<Answered>& entries) {
  if (entries.empty()) return {};
  Buffer bytes;
  bytes.reserve(entries.size() * kEntrySize);
  for (const Answered& answered : entries) append_entry(bytes, answered);
  const std::lock_guard hold(mutex_);
  KHIPU_TRY(at(segment::kIdempotencyName, file_->write_at(end_, bytes)));
  end_ += bytes.size();
  dirty_ = true;
  return {};
}

Result<void> IdempotencyLog::cover(uint64_t rows, uint64_t keep_from) {
  uint64_t end = 0;
  bool dirty = false;
  KeyBounds bounds;
  {
    const std::lock_guard hold(mutex_);
    bounds = bounds_;
    end = first_number_ + (end_ - kEntriesOffset) / kEntrySize;
    dirty = std::exchange(dirty_, false);
  }
  keep_from = std::clamp(keep_from, first_number_, end);
  ++covers_;
  if (keep_from - first_number_ > std::max(end - keep_from, kOutlivedMin)) {
    return at(segment::kIdempotencyName, rewrite(rows, keep_from, bounds));
  }
  if (dirty) KHIPU_TRY(at(segment::kIdempotencyName, file_->sync_data()));
  // Not synced: a slot that is lost leaves the older one, which only means more rows to read again.
  return at(segment::kIdempotencyName, file_->write_at((covers_ % 2) * kSlotSize, encode_slot(covers_, rows, bounds)));
}

void IdempotencyLog::keep(const KeyBounds& bounds) {
  const std::lock_guard hold(mutex_);
  bounds_ = bounds;
}

// Commits go on meanwhile: what they append is copied last, under the mutex.
Result<void> IdempotencyLog::rewrite(uint64_t rows, uint64_t keep_from, const KeyBounds& bounds) {
  uint64_t from = kEntriesOffset + (keep_from - first_number_) * kEntrySize;
  uint64_t end = 0;
  {
    const std::lock_guard hold(mutex_);
    end = end_;
  }
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, make_new(root_));
  Buffer slots = encode_slot(covers_, rows, bounds);
  slots.resize(kEntriesOffset);
  KHIPU_TRY(file->write_at(0, slots));
  uint64_t at = kEntriesOffset;
  KHIPU_TRY(copy(*file, from, end, at));
  KHIPU_TRY(file->sync());
  {
    const std::lock_guard hold(mutex_);
    KHIPU_TRY(copy(*file, end, end_, at));
    KHIPU_TRY(root_.rename(kNewName, segment::kIdempotencyName));
    file_ = std::move(file);
    first_number_ = keep_from;
    end_ = at;
  }
  return root_.sync();
}

// Entries of file_ at [from, end) behind those of `to`, which end at `at`.
Result<void> IdempotencyLog::copy(os::File& to, uint64_t from, uint64_t end, uint64_t& at) {
  Buffer bytes;
  while (from < end) {
    bytes.resize(std::min<uint64_t>(end - from, kEntriesAtOnce * kEntrySize));
    KHIPU_TRY(file_->read_exactly(from, bytes));
    KHIPU_TRY(to.write_at(at, bytes));
    from += bytes.size();
    at += bytes.size();
  }
  return {};
}

}  // namespace khipu::writer
