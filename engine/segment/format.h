// Names and bytes of a root's files: segment header and footer, manifest entry, HEAD slot. Specified in
// engine/FORMAT.md; encode and parse only, no I/O. One header makes and parses every file name.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace khipu::segment {

inline constexpr uint16_t kFormatVersion = 1;

// ---- names
inline constexpr std::string_view kHeadName = "HEAD";
inline constexpr std::string_view kManifestName = "manifest";
inline constexpr std::string_view kTreeName = "tree";
inline constexpr std::string_view kQuarantineName = "quarantine";
inline constexpr std::string_view kIdempotencyName = "idempotency.log";
std::string segment_name(SegmentNumber number);                          // "seg-0000000042.log"
std::optional<SegmentNumber> parse_segment_name(std::string_view name);  // nullopt unless exactly that form
std::string level_name(size_t level);                                    // "0" .. "7", in tree/

// ---- segment header: the first 64 bytes of seg-N.log
struct Header {
  TableId table = TableId::kMeta;
  RootId root_id{};
  SegmentNumber number;
  Row first_row;  // row of the first record in it
};
inline constexpr uint64_t kHeaderSize = 64;
std::array<uint8_t, kHeaderSize> encode_header(const Header& header);
// kUnsupported for another version; kCorrupt for magic, checksum, reserved bytes.
Result<Header> parse_header(Bytes bytes);

// ---- footer: the payload of the last frame (kind 32) of a sealed segment, deterministic CBOR
struct Footer {
  Row first_row;
  uint64_t rows = 0;
  TimeUs time_min = 0, time_max = 0;             // of the rows' frame times; 0, 0 when rows = 0
  TimeUs recorded_first = 0, recorded_last = 0;  // recorded_at of the first and last row
  CommitNumber commit;                           // the synced commit behind which the segment was sealed
  Hash commit_hash{};
  uint64_t commit_offset = 0;  // logs: where that commit's frame starts in this segment; else 0
  Hash root{};                 // the table's tree at first_row + rows
  bool operator==(const Footer&) const = default;
};
void encode_footer(Buffer& to, const Footer& footer);
Result<Footer> parse_footer(Bytes payload);

// ---- manifest: one entry for each sealed segment, in order; entry i is at byte 160 i and names segment i
struct ManifestEntry {
  SegmentNumber number;
  uint64_t file_size = 0;      // with footer
  uint64_t footer_offset = 0;  // where the footer's frame starts
  Footer footer;               // the same facts again
  bool operator==(const ManifestEntry&) const = default;
};
inline constexpr uint64_t kManifestEntrySize = 160;
inline constexpr uint64_t kManifestSizeMax = 1ULL << 28;  // entries of more segments than a disk holds
std::array<uint8_t, kManifestEntrySize> encode_manifest_entry(const ManifestEntry& entry);
Result<ManifestEntry> parse_manifest_entry(Bytes bytes);

// ---- HEAD: two slots, 64 KiB apart, written in turn
struct HeadTable {
  uint64_t size = 0;  // rows
  Hash root{};
  SegmentNumber segment;  // the active segment
  Row segment_first_row;
  uint64_t end_offset = kHeaderSize;  // committed bytes of the active segment
  uint64_t tree_synced = 0;           // the tree files are durable and right for this many rows
  uint64_t manifest_entries = 0;
  bool operator==(const HeadTable&) const = default;
};
struct Head {
  uint64_t sequence = 0;  // counts HEAD writes; the newest of two slots is the greater (commit, sequence)
  CommitNumber commit;
  Hash commit_hash{};
  TimeUs commit_time = 0;
  SegmentNumber commit_segment;  // where the commit's frame stands in logs/
  uint64_t commit_offset = 0;
  uint32_t commit_frame_size = 0;
  Epoch epoch;  // retention epoch
  RootId root_id{};
  std::array<HeadTable, kTableCount> tables;
  bool operator==(const Head&) const = default;
};
inline constexpr uint64_t kHeadSlotStride = 64 << 10;
inline constexpr uint64_t kHeadSlotSize = 448;
inline constexpr uint64_t kHeadFileSize = kHeadSlotStride + kHeadSlotSize;
std::array<uint8_t, kHeadSlotSize> encode_head(const Head& head);
// nullopt for an empty (all zero) or torn slot (bad checksum): a verdict; kUnsupported for another version.
Result<std::optional<Head>> parse_head(Bytes slot);
// The newer of two slots.
bool newer(const Head& a, const Head& b);

}  // namespace khipu::segment
