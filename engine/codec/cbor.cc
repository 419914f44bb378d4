#include "engine/codec/cbor.h"

#include <algorithm>
#include <cmath>

#include "engine/codec/cbor_raw.h"

namespace khipu::codec {

using raw::Major;
using raw::Scan;

CborWriter::~CborWriter() { KHIPU_ASSERT(depth_ == 0); }

// Before an item: a key must come after the one before it, and its container must have room for it.
void CborWriter::begin() { item_from_ = to_.size(); }

void CborWriter::end(uint64_t opens) {
  if (depth_ > 0) {
    Level& level = levels_[depth_ - 1];
    KHIPU_ASSERT(level.left > 0);
    --level.left;
    if (level.is_map && level.left % 2 == 1) {
      const Bytes key = Bytes(to_).subspan(item_from_);
      const Bytes last = Bytes(to_).subspan(level.key_from, level.key_size);
      KHIPU_ASSERT(opens == 0);  // a container is no key here
      KHIPU_ASSERT(last.empty() || std::lexicographical_compare(last.begin(), last.end(), key.begin(), key.end()));
      level.key_from = item_from_;
      level.key_size = key.size();
    }
  }
  if (opens > 0) {
    KHIPU_ASSERT(depth_ < levels_.size());
    const bool is_map = to_[item_from_] >> 5 == raw::kMap;
    levels_[depth_++] = {opens, is_map, 0, 0};
  }
  while (depth_ > 0 && levels_[depth_ - 1].left == 0) --depth_;
}

void CborWriter::put(Bytes head, Bytes content, uint64_t opens) {
  begin();
  append(to_, head);
  append(to_, content);
  end(opens);
}

static Bytes head_of(std::array<uint8_t, raw::kHeadSizeMax>& room, Major major, uint64_t value) {
  return {room.data(), raw::put_head(room.data(), major, value)};
}

void CborWriter::unsigned_integer(uint64_t value) {
  std::array<uint8_t, raw::kHeadSizeMax> room;
  put(head_of(room, raw::kUnsigned, value));
}
void CborWriter::integer(int64_t value) {
  std::array<uint8_t, raw::kHeadSizeMax> room;
  put({room.data(), raw::put_integer(room.data(), value)});
}
void CborWriter::bytes(Bytes value) {
  std::array<uint8_t, raw::kHeadSizeMax> room;
  put(head_of(room, raw::kBytes, value.size()), value);
}
void CborWriter::text(std::string_view value) {
  KHIPU_ASSERT(valid_utf8(as_bytes(value)));
  std::array<uint8_t, raw::kHeadSizeMax> room;
  put(head_of(room, raw::kText, value.size()), as_bytes(value));
}
void CborWriter::array(uint64_t count) {
  std::array<uint8_t, raw::kHeadSizeMax> room;
  put(head_of(room, raw::kArray, count), {}, count);
}
void CborWriter::map(uint64_t count) {
  KHIPU_ASSERT(count <= UINT64_MAX / 2);
  std::array<uint8_t, raw::kHeadSizeMax> room;
  put(head_of(room, raw::kMap, count), {}, 2 * count);
}
void CborWriter::boolean(bool value) {
  const uint8_t byte = value ? 0xf5 : 0xf4;
  put({&byte, 1});
}
void CborWriter::null() {
  const uint8_t byte = 0xf6;
  put({&byte, 1});
}
void CborWriter::real(double value) {
  std::array<uint8_t, raw::kHeadSizeMax> room;
  put({room.data(), raw::put_real(room.data(), value)});
}
void CborWriter::raw(Bytes encoded) {
  KHIPU_ASSERT(!encoded.empty());
  put(encoded);
}

CborKind CborReader::peek() const {
  if (rest_.empty()) return CborKind::kNull;
  const uint8_t first = rest_[0];
  switch (first >> 5) {
    case raw::kUnsigned: return CborKind::kUnsigned;
    case raw::kNegative: return CborKind::kNegative;
    case raw::kBytes: return CborKind::kBytes;
    case raw::kText: return CborKind::kText;
    case raw::kArray: return CborKind::kArray;
    case raw::kMap: return CborKind::kMap;
    default: break;
  }
  if (first == 0xf4) return CborKind::kFalse;
  if (first == 0xf5) return CborKind::kTrue;
  if (first >= 0xf9 && first <= 0xfb) return CborKind::kFloat;
  return CborKind::kNull;  // and what is no item of ours, which every reading call refuses
}

Error CborReader::fail(std::string_view what) const {
  return {Code::kCorrupt, std::string(what) + " at byte " + std::to_string(offset())};
}

Result<void> CborReader::expect_end() const {
  if (!done()) return fail("bytes are left over");
  return {};
}

// Runs one read and moves on only when it succeeded.
template <typename Read>
auto CborReader::with_scan(Read read) -> Result<decltype(read(std::declval<Scan&>()))> {
  Scan scan(rest_);
  auto value = read(scan);
  if (!scan.ok()) return scan.error(offset());
  rest_ = rest_.subspan(scan.offset());
  return value;
}

Result<CborItem> CborReader::next() {
  return with_scan([&](Scan& scan) {
    CborItem item;
    item.kind = peek();
    switch (item.kind) {
      case CborKind::kUnsigned: item.value = scan.unsigned_integer(); break;
      case CborKind::kNegative: item.value = scan.head(raw::kNegative, ""); break;
      case CborKind::kBytes: item.bytes = scan.bytes(); break;
      case CborKind::kText: item.bytes = as_bytes(scan.text()); break;
      case CborKind::kArray: item.value = scan.array(); break;
      case CborKind::kMap: item.value = scan.map(); break;
      case CborKind::kFloat: item.real = scan.real(); break;
      case CborKind::kFalse:
      case CborKind::kTrue:
      case CborKind::kNull: scan.skip(); break;
    }
    return item;
  });
}
Result<uint64_t> CborReader::unsigned_integer() {
  return with_scan([](Scan& scan) { return scan.unsigned_integer(); });
}
Result<int64_t> CborReader::integer() {
  return with_scan([](Scan& scan) { return scan.integer(); });
}
Result<Bytes> CborReader::bytes() {
  return with_scan([](Scan& scan) { return scan.bytes(); });
}
Result<std::string_view> CborReader::text() {
  return with_scan([](Scan& scan) { return scan.text(); });
}
Result<uint64_t> CborReader::array() {
  return with_scan([](Scan& scan) { return scan.array(); });
}
Result<uint64_t> CborReader::map() {
  return with_scan([](Scan& scan) { return scan.map(); });
}
Result<bool> CborReader::boolean() {
  return with_scan([](Scan& scan) { return scan.boolean(); });
}
Result<double> CborReader::real() {
  return with_scan([](Scan& scan) { return scan.real(); });
}
Result<Bytes> CborReader::skip() {
  return with_scan([&](Scan& scan) {
    scan.skip();
    return rest_.first(scan.offset());
  });
}

Result<CborIntMap> CborIntMap::open(CborReader& reader) {
  KHIPU_TRY_ASSIGN(const uint64_t count, reader.map());
  return CborIntMap(reader, count);
}

Result<std::optional<uint64_t>> CborIntMap::next() {
  if (left_ == 0) return std::optional<uint64_t>();
  CborReader ahead = *reader_;
  KHIPU_TRY_ASSIGN(const uint64_t key, ahead.unsigned_integer());
  if (last_ && key <= *last_) return reader_->fail("map keys repeated or out of order");
  *reader_ = ahead;
  last_ = key;
  --left_;
  return std::optional<uint64_t>(key);
}

}  // namespace khipu::codec
