// One segment read front to back: every frame against its checksum and its payload, every leaf against tree/0, every
// record decoded, every commit's signature. Pure reading; one call a segment, from any thread. What needs the segments
// before it (roots, the commit chain, contiguity) is table_trail.h and chain.h.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/frame.h"
#include "engine/codec/record.h"
#include "engine/codec/statement.h"
#include "engine/crypto/signature.h"
#include "engine/index/builder.h"
#include "engine/os/file.h"
#include "engine/segment/format.h"
#include "engine/tree/tree.h"
#include "engine/verify/control.h"
#include "engine/verify/entities.h"
#include "engine/verify/report.h"

namespace khipu::verify {

// Who signs commits.
struct CommitKey {
  crypto::PublicKey key{};
  std::array<uint8_t, 4> id{};
  RootId root_id{};
};

struct SegmentJob {
  TableId table = TableId::kMeta;
  SegmentNumber number;
  bool sealed = false;
  std::optional<Row> first_row;                 // as manifest or HEAD says
  std::optional<segment::ManifestEntry> entry;  // of a sealed one
  uint64_t end_max = UINT64_MAX;                // bytes from here on belong to a running writer
  // Active segment: bytes and rows below the newest HEAD. Damage among them is evidence, above it a tail.
  uint64_t solid_end = 0;
  uint64_t solid_rows = 0;
  std::optional<uint64_t> file_size;  // nullopt: no such file
  bool let_go = false;                // a RETENTION covers it
  // An earlier run read the front of it: this one begins there.
  const TablePosition* resume = nullptr;
  uint64_t rows() const { return entry ? entry->footer.rows : solid_rows; }  // that must be there
  uint64_t rows_read() const { return resume == nullptr ? 0 : resume->size - resume->segment_first_row.value; }
};

struct CommitAt {
  uint64_t rows_before = 0;  // rows of this segment in front of it
  uint64_t offset = 0;
  uint32_t frame_size = 0;
  Hash hash{};
  codec::CommitRecord record;
  bool key_known = true, signature_ok = true;
  uint64_t pins_end = 0;      // one past the greatest registry row its events pin
  uint64_t pins_end_row = 0;  // and the row (in this segment) that does
};

// An event's pin of registry rows that this run does not read.
struct OldPin {
  codec::Pin pin;
  uint64_t row = 0;  // of the first event that has it, in this segment
};

// The index that a sealed segment's rows make, and the file in its place.
struct BuiltIndex {
  Hash root{};
  uint64_t size = 0;                   // of the file it makes
  std::vector<uint32_t> columns;       // those indexed
  std::optional<uint64_t> there;       // size of the file that stands there; nullopt: none
  std::optional<uint64_t> difference;  // the first byte in which that one differs; nullopt: none does
};

enum class RowState : uint8_t {
  kGood,     // the record's leaf is the one in tree/0
  kDiffers,  // it is not: record or tree/0 is wrong, the signed root will tell
  kMissing,  // no record: its leaf is taken from tree/0
};

struct SegmentFacts {
  SegmentNumber number;
  bool sealed = false;
  bool there = true;    // false: no such file
  bool let_go = false;  // and a RETENTION covers it: its hashes are all there is
  Row segment_first_row;
  Row first_row;  // of what was read
  // Row by row, from first_row on. `offsets` of missing rows are kNoOffset.
  std::vector<Hash> leaves;
  std::vector<uint64_t> offsets;
  std::vector<RowState> states;  // empty: every row is good
  std::vector<Hash> stored;      // tree/0, when `states` is not empty
  uint64_t stored_rows = 0;      // rows that tree/0 has a hash for, counted from first_row
  // logs/, by tile number: what is made of whole tiles. One that lies between two commits has a root; of one that a
  // commit cuts there are all nodes, at `cut` among them.
  struct Tile {
    std::optional<Hash> root;
    size_t cut = 0;
  };
  uint64_t tiles_from = 0;
  std::vector<Tile> tiles;
  tree::TileNodes cut_tiles;
  std::vector<CommitAt> commits;
  std::vector<VersionFacts> versions;              // registry/, row by row
  std::vector<codec::StatementRecord> statements;  // meta/
  Row statements_end;                              // statement i is row i up to here; behind it some row has none
  std::optional<segment::Footer> footer;
  uint64_t footer_offset = 0;
  uint64_t file_size = 0;
  uint64_t end_offset = 0;             // behind the last whole frame
  std::vector<CommitAt> tail_commits;  // signed commits found behind a torn place of the tail
  std::optional<TimeUs> recorded_first, recorded_last;
  TimeUs time_min = 0, time_max = 0;
  std::vector<OldPin> old_pins;  // logs/, incremental: pins of registry rows that were read earlier
  uint64_t references = 0;
  Findings findings;
  std::vector<Finding> pending;  // active segment: findings that count if their row is below the line
  bool stopped = false;          // cancelled or out of time
};
inline constexpr uint64_t kNoOffset = UINT64_MAX;

// Indexes that statements speak of.
struct IndexPlan {
  std::vector<uint32_t> columns;                               // indexed, ascending
  std::map<std::pair<TableId, SegmentNumber>, Hash> segments;  // to the root that the newest statement has
};
using BuiltIndexes = std::map<std::pair<TableId, SegmentNumber>, BuiltIndex>;

class Builders;
class SpareRows;

struct SegmentContext {
  os::Directory& table;
  const CommitKey& key;
  const ReadEntities* entities = nullptr;           // logs/: what pins are checked against
  const std::vector<std::string>* types = nullptr;  // registry/: sorted names of the types that TYPE statements define
  const IndexPlan* indexes = nullptr;               // which segments' indexes are built,
  Builders* builders = nullptr;                     // and by whom (builders.h)
  SpareRows* spare = nullptr;                       // spare_rows.h
  Control& control;
};
// An Error: the file cannot be read, and says nothing about it.
Result<SegmentFacts> check_segment(const SegmentContext& context, const SegmentJob& job);

// recorded_at of the record whose frame starts there, if it can be read.
std::optional<TimeUs> recorded_at(os::Directory& table, SegmentNumber number, uint64_t offset);
std::string segment_path(TableId table, SegmentNumber number);

}  // namespace khipu::verify
