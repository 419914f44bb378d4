// Recovery's reading half: one table's cursor over its frames, from a base commit on. Reads only.
#pragma once

#include <memory>
#include <optional>

#include "engine/os/file.h"
#include "engine/segment/format.h"
#include "engine/segment/reader.h"
#include "engine/writer/table.h"

namespace khipu::writer {

// Where a table's rows go on, and the tree up to there.
struct TableMark {
  SegmentNumber segment;
  Row segment_first_row;
  uint64_t offset = segment::kHeaderSize;
  tree::Builder builder;  // its size is the row that would come next
  segment::Footer times;  // of the rows in `segment` before `offset`
};

// What no crash leaves behind: bytes below the line were changed or taken away.
inline Error evidence(std::string message) { return {Code::kCorrupt, std::move(message)}; }

// Owner: recovery.
class TableScan {
 public:
  static Result<std::unique_ptr<TableScan>> open(os::Directory& root, TableId id, const RootId& root_id);

  const segment::Manifest& manifest() const { return manifest_; }
  os::Directory& directory() { return *directory_; }
  segment::LevelFiles& levels() { return *levels_; }
  TableId id() const { return id_; }

  // Goes to `size` rows, which a synced commit is known to hold, and builds the tree there: tree files up to
  // `tree_synced`, records above it. `known_offset` is HEAD's word for where the rows end, when there is one.
  // kCorrupt: rows above tree_synced are damaged, or root differs.
  Result<void> seek(uint64_t size, uint64_t tree_synced, std::optional<uint64_t> known_offset, const Hash& root);

  // The next frame of the log at `at`, crossing from sealed segments into the next; rows are added to the mark.
  // nullopt: no sound frame stands here.
  struct Found {
    codec::Frame frame;
    uint64_t offset = 0;
    SegmentNumber segment;
  };
  Result<std::optional<Found>> next(TableMark& at);

  TableMark& mark() { return mark_; }
  SegmentNumber active_number() const { return {manifest_.entries.size()}; }
  Row active_first_row() const;

 private:
  TableScan() = default;
  Result<void> enter(SegmentNumber number);
  void add_row(TableMark& mark, const codec::Frame& frame) const;

  TableId id_ = TableId::kMeta;
  RootId root_id_{};
  std::unique_ptr<os::Directory> directory_;
  std::optional<segment::LevelFiles> levels_;
  segment::Manifest manifest_;
  TableMark mark_;
  std::unique_ptr<os::File> file_;  // the segment the reader is in
  std::optional<SegmentNumber> file_number_;
  std::optional<segment::Reader> reader_;
};

}  // namespace khipu::writer
