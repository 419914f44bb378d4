#include "engine/writer/idempotency.h"

#include "engine/codec/frame.h"
#include "engine/segment/format.h"

namespace khipu::writer {
namespace {

// Two cover slots, then entries. A slot: u32 crc32c over the rest | u32 zero | u64 sequence | u64 rows | u64 zero.
constexpr uint64_t kSlotSize = 32;
constexpr uint64_t kEntriesOffset = 2 * kSlotSize;
// An entry: u32 crc32c over the rest | u32 zero | key 16 | body 16 | u64 first seq | u64 count | i64 recorded | u64
// commit.
constexpr size_t kEntrySize = 72;
constexpr uint64_t kSizeMax = 1ULL << 34;  // more than any window of keys takes
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

Buffer encode_slot(uint64_t sequence, uint64_t rows) {
  Buffer slot;
  append_le(slot, uint64_t{0});
  append_le(slot, sequence);
  append_le(slot, rows);
  append_le(slot, uint64_t{0});
  store_le(slot.data(), codec::crc32c(Bytes(slot).subspan(4)));
  return slot;
}

bool sound(Bytes block) { return load_le<uint32_t>(block.data()) == codec::crc32c(block.subspan(4)); }

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

Result<IdempotencyLog::Loaded> IdempotencyLog::load(os::Directory& root) {
  Loaded loaded;
  auto file = root.open_file(segment::kIdempotencyName, os::Mode::kRead);
  if (!file.ok()) {
    if (file.error().code == Code::kNotFound) return loaded;
    return std::move(file).error();
  }
  KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
  if (size > kSizeMax) return loaded;  // nothing of ours: a cache, read again from the records
  Buffer bytes(size);
  KHIPU_TRY(file.value()->read_exactly(0, bytes));
  if (size < kEntriesOffset) return loaded;
  uint64_t newest = 0;
  for (size_t i = 0; i < 2; ++i) {
    const Bytes slot = Bytes(bytes).subspan(i * kSlotSize, kSlotSize);
    if (!sound(slot) || load_le<uint64_t>(slot.data() + 8) < newest) continue;
    newest = load_le<uint64_t>(slot.data() + 8);
    loaded.covered_rows = load_le<uint64_t>(slot.data() + 16);
  }
  for (uint64_t offset = kEntriesOffset; offset + kEntrySize <= size; offset += kEntrySize) {
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
  return loaded;
}

Result<std::unique_ptr<IdempotencyLog>> IdempotencyLog::create(os::Directory& root, const std::deque<Answered>& entries,
                                                               uint64_t rows) {
  Buffer bytes = encode_slot(1, rows);
  bytes.resize(kEntriesOffset);
  for (const Answered& answered : entries) append_entry(bytes, answered);
  if (auto removed = root.unlink(kNewName); !removed.ok() && removed.error().code != Code::kNotFound) {
    return std::move(removed).error();
  }
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, root.open_file(kNewName, os::Mode::kCreateNew));
  KHIPU_TRY(file->write_at(0, bytes));
  KHIPU_TRY(file->sync());
  KHIPU_TRY(root.rename(kNewName, segment::kIdempotencyName));
  KHIPU_TRY(root.sync());
  std::unique_ptr<IdempotencyLog> log(new IdempotencyLog(std::move(file)));
  log->end_ = bytes.size();
  log->entries_ = entries.size();
  log->covers_ = 1;
  return log;
}

Result<void> IdempotencyLog::append(const std::vector<Answered>& entries) {
  if (entries.empty()) return {};
  Buffer bytes;
  bytes.reserve(entries.size() * kEntrySize);
  for (const Answered& answered : entries) append_entry(bytes, answered);
  KHIPU_TRY(at(segment::kIdempotencyName, file_->write_at(end_, bytes)));
  end_ += bytes.size();
  entries_ += entries.size();
  dirty_ = true;
  return {};
}

Result<void> IdempotencyLog::cover(uint64_t rows) {
  if (dirty_) KHIPU_TRY(at(segment::kIdempotencyName, file_->sync_data()));
  dirty_ = false;
  ++covers_;
  // Not synced: a slot that is lost leaves the older one, which only means more rows to read again.
  return at(segment::kIdempotencyName, file_->write_at((covers_ % 2) * kSlotSize, encode_slot(covers_, rows)));
}

}  // namespace khipu::writer
