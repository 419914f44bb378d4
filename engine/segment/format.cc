#include "engine/segment/format.h"

#include <fmt/format.h>

#include "engine/codec/cbor.h"
#include "engine/codec/frame.h"
#include "engine/codec/record.h"

namespace khipu::segment {
namespace {

constexpr std::string_view kSegmentMagic = "KHIPUSEG";
constexpr std::string_view kHeadMagic = "KHIPUHD1";
constexpr uint64_t kFooterKind = static_cast<uint64_t>(codec::RecordKind::kFooter);

// Writes fixed-size fields front to back into a block that was sized for them.
class Fields {
 public:
  explicit Fields(std::span<uint8_t> to) : to_(to) {}
  template <typename T>
  void put(const T& value) {
    KHIPU_ASSERT(sizeof value <= to_.size());
    store_le(to_.data(), value);
    to_ = to_.subspan(sizeof value);
  }
  void put(std::string_view text) {
    KHIPU_ASSERT(text.size() <= to_.size());
    std::memcpy(to_.data(), text.data(), text.size());
    to_ = to_.subspan(text.size());
  }

 private:
  std::span<uint8_t> to_;
};

Error corrupt(std::string message) { return {Code::kCorrupt, std::move(message)}; }

}  // namespace

std::string segment_name(SegmentNumber number) { return fmt::format("seg-{:010}.log", number.value); }

std::optional<SegmentNumber> parse_segment_name(std::string_view name) {
  constexpr std::string_view kPrefix = "seg-", kSuffix = ".log";
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  if (digits.size() < 10 || digits.size() > 19) return std::nullopt;
  SegmentNumber number;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    number.value = number.value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (segment_name(number) != name) return std::nullopt;
  return number;
}

std::string level_name(size_t level) { return std::to_string(level); }

std::array<uint8_t, kHeaderSize> encode_header(const Header& header) {
  std::array<uint8_t, kHeaderSize> bytes{};
  Fields fields(bytes);
  fields.put(kSegmentMagic);
  fields.put(kFormatVersion);
  fields.put(static_cast<uint8_t>(header.table));
  fields.put(std::array<uint8_t, 5>{});
  fields.put(header.root_id);
  fields.put(header.number.value);
  fields.put(header.first_row.value);
  store_le(bytes.data() + 60, codec::crc32c(Bytes(bytes).first(60)));
  return bytes;
}

Result<Header> parse_header(Bytes bytes) {
  if (bytes.size() < kHeaderSize) return corrupt(fmt::format("segment header has {} of 64 bytes", bytes.size()));
  bytes = bytes.first(kHeaderSize);
  if (as_text(bytes.first(8)) != kSegmentMagic) return corrupt("segment header: wrong magic");
  const uint16_t version = load_le<uint16_t>(bytes.data() + 8);
  if (version != kFormatVersion) {
    return Error{Code::kUnsupported, fmt::format("segment format version {}, this build knows 1", version)};
  }
  if (load_le<uint32_t>(bytes.data() + 60) != codec::crc32c(bytes.first(60))) {
    return corrupt("segment header: checksum mismatch");
  }
  Cursor cursor(bytes.subspan(10));
  Header header;
  const uint8_t table = cursor.get<uint8_t>();
  if (table >= kTableCount) return corrupt("segment header: unknown table");
  header.table = static_cast<TableId>(table);
  const auto zeroes = cursor.array<5>();
  header.root_id = cursor.array<16>();
  header.number.value = cursor.get<uint64_t>();
  header.first_row.value = cursor.get<uint64_t>();
  if (zeroes != std::array<uint8_t, 5>{} || cursor.array<12>() != std::array<uint8_t, 12>{}) {
    return corrupt("segment header: reserved bytes are not zero");
  }
  return header;
}

void encode_footer(Buffer& to, const Footer& footer) {
  codec::CborWriter cbor(to);
  cbor.map(11);
  const auto put = [&](uint64_t key) { cbor.unsigned_integer(key); };
  put(0), cbor.unsigned_integer(kFooterKind);
  put(2), cbor.integer(footer.recorded_last);
  put(4), cbor.unsigned_integer(footer.first_row.value);
  put(5), cbor.unsigned_integer(footer.rows);
  put(6), cbor.integer(footer.time_min);
  put(7), cbor.integer(footer.time_max);
  put(8), cbor.integer(footer.recorded_first);
  put(9), cbor.unsigned_integer(footer.commit.value);
  put(10), cbor.bytes(footer.commit_hash);
  put(11), cbor.unsigned_integer(footer.commit_offset);
  put(12), cbor.bytes(footer.root);
}

Result<Footer> parse_footer(Bytes payload) {
  codec::CborReader reader(payload);
  KHIPU_TRY_ASSIGN(auto map, codec::CborIntMap::open(reader));
  Footer footer;
  static constexpr uint64_t kKeys[] = {0, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  for (const uint64_t want : kKeys) {
    KHIPU_TRY_ASSIGN(const std::optional<uint64_t> key, map.next());
    if (key != want) return reader.fail("footer: a key is missing or unknown");
    switch (want) {
      case 0: {
        KHIPU_TRY_ASSIGN(const uint64_t kind, reader.unsigned_integer());
        if (kind != kFooterKind) return reader.fail("footer: wrong kind");
        break;
      }
      case 2: {
        KHIPU_TRY_ASSIGN(footer.recorded_last, reader.integer());
        break;
      }
      case 4: {
        KHIPU_TRY_ASSIGN(footer.first_row.value, reader.unsigned_integer());
        break;
      }
      case 5: {
        KHIPU_TRY_ASSIGN(footer.rows, reader.unsigned_integer());
        break;
      }
      case 6: {
        KHIPU_TRY_ASSIGN(footer.time_min, reader.integer());
        break;
      }
      case 7: {
        KHIPU_TRY_ASSIGN(footer.time_max, reader.integer());
        break;
      }
      case 8: {
        KHIPU_TRY_ASSIGN(footer.recorded_first, reader.integer());
        break;
      }
      case 9: {
        KHIPU_TRY_ASSIGN(footer.commit.value, reader.unsigned_integer());
        break;
      }
      case 10: {
        KHIPU_TRY_ASSIGN(footer.commit_hash, reader.fixed<32>());
        break;
      }
      case 11: {
        KHIPU_TRY_ASSIGN(footer.commit_offset, reader.unsigned_integer());
        break;
      }
      default: {
        KHIPU_TRY_ASSIGN(footer.root, reader.fixed<32>());
        break;
      }
    }
  }
  KHIPU_TRY_ASSIGN(const std::optional<uint64_t> more, map.next());
  if (more) return reader.fail("footer: an unknown key");
  KHIPU_TRY(reader.expect_end());
  return footer;
}

std::array<uint8_t, kManifestEntrySize> encode_manifest_entry(const ManifestEntry& entry) {
  std::array<uint8_t, kManifestEntrySize> bytes{};
  Fields fields(std::span<uint8_t>(bytes).subspan(8));  // crc32c and flags come first; flags are 0
  fields.put(entry.number.value);
  fields.put(entry.footer.first_row.value);
  fields.put(entry.footer.rows);
  fields.put(entry.file_size);
  fields.put(entry.footer_offset);
  fields.put(entry.footer.time_min);
  fields.put(entry.footer.time_max);
  fields.put(entry.footer.recorded_first);
  fields.put(entry.footer.recorded_last);
  fields.put(entry.footer.commit.value);
  fields.put(entry.footer.commit_offset);
  fields.put(entry.footer.commit_hash);
  fields.put(entry.footer.root);
  store_le(bytes.data(), codec::crc32c(Bytes(bytes).subspan(4)));
  return bytes;
}

Result<ManifestEntry> parse_manifest_entry(Bytes bytes) {
  if (bytes.size() != kManifestEntrySize) return corrupt("manifest entry: short");
  if (load_le<uint32_t>(bytes.data()) != codec::crc32c(bytes.subspan(4))) {
    return corrupt("manifest entry: checksum mismatch");
  }
  Cursor cursor(bytes.subspan(4));
  if (cursor.get<uint32_t>() != 0) return Error{Code::kUnsupported, "manifest entry: unknown flags"};
  ManifestEntry entry;
  entry.number.value = cursor.get<uint64_t>();
  entry.footer.first_row.value = cursor.get<uint64_t>();
  entry.footer.rows = cursor.get<uint64_t>();
  entry.file_size = cursor.get<uint64_t>();
  entry.footer_offset = cursor.get<uint64_t>();
  entry.footer.time_min = cursor.get<int64_t>();
  entry.footer.time_max = cursor.get<int64_t>();
  entry.footer.recorded_first = cursor.get<int64_t>();
  entry.footer.recorded_last = cursor.get<int64_t>();
  entry.footer.commit.value = cursor.get<uint64_t>();
  entry.footer.commit_offset = cursor.get<uint64_t>();
  entry.footer.commit_hash = cursor.array<32>();
  entry.footer.root = cursor.array<32>();
  KHIPU_ASSERT(!cursor.failed() && cursor.rest().empty());
  return entry;
}

std::array<uint8_t, kHeadSlotSize> encode_head(const Head& head) {
  std::array<uint8_t, kHeadSlotSize> bytes{};
  Fields fields(bytes);
  fields.put(kHeadMagic);
  fields.put(uint32_t{kFormatVersion});
  fields.put(uint32_t{0});  // crc32c, below
  fields.put(head.sequence);
  fields.put(head.commit.value);
  fields.put(head.epoch.value);
  fields.put(head.root_id);
  fields.put(head.commit_hash);
  fields.put(head.commit_time);
  fields.put(head.commit_segment.value);
  fields.put(head.commit_offset);
  fields.put(head.commit_frame_size);
  fields.put(uint32_t{0});  // reserved
  for (const HeadTable& table : head.tables) {
    fields.put(table.size);
    fields.put(table.root);
    fields.put(table.segment.value);
    fields.put(table.segment_first_row.value);
    fields.put(table.end_offset);
    fields.put(table.tree_synced);
    fields.put(table.manifest_entries);
  }
  store_le(bytes.data() + 12, codec::crc32c(bytes));  // over the whole slot with this field zero
  return bytes;
}

Result<std::optional<Head>> parse_head(Bytes slot) {
  if (slot.size() < kHeadSlotSize) return std::optional<Head>();
  std::array<uint8_t, kHeadSlotSize> bytes;
  std::memcpy(bytes.data(), slot.data(), bytes.size());
  const uint32_t crc = load_le<uint32_t>(bytes.data() + 12);
  store_le(bytes.data() + 12, uint32_t{0});
  if (as_text(Bytes(bytes).first(8)) != kHeadMagic || crc != codec::crc32c(bytes)) return std::optional<Head>();
  Cursor cursor(Bytes(bytes).subspan(8));
  const uint32_t version = cursor.get<uint32_t>();
  if (version != kFormatVersion) {
    return Error{Code::kUnsupported, fmt::format("HEAD version {}, this build knows 1", version)};
  }
  cursor.get<uint32_t>();
  Head head;
  head.sequence = cursor.get<uint64_t>();
  head.commit.value = cursor.get<uint64_t>();
  head.epoch.value = cursor.get<uint64_t>();
  head.root_id = cursor.array<16>();
  head.commit_hash = cursor.array<32>();
  head.commit_time = cursor.get<int64_t>();
  head.commit_segment.value = cursor.get<uint64_t>();
  head.commit_offset = cursor.get<uint64_t>();
  head.commit_frame_size = cursor.get<uint32_t>();
  const uint32_t reserved = cursor.get<uint32_t>();
  for (HeadTable& table : head.tables) {
    table.size = cursor.get<uint64_t>();
    table.root = cursor.array<32>();
    table.segment.value = cursor.get<uint64_t>();
    table.segment_first_row.value = cursor.get<uint64_t>();
    table.end_offset = cursor.get<uint64_t>();
    table.tree_synced = cursor.get<uint64_t>();
    table.manifest_entries = cursor.get<uint64_t>();
  }
  KHIPU_ASSERT(!cursor.failed());
  for (const uint8_t byte : cursor.rest()) {
    if (byte != 0) return corrupt("HEAD: reserved bytes are not zero");
  }
  if (reserved != 0) return corrupt("HEAD: reserved bytes are not zero");
  return std::optional<Head>(head);
}

bool newer(const Head& a, const Head& b) { return std::pair(a.commit, a.sequence) > std::pair(b.commit, b.sequence); }

}  // namespace khipu::segment
