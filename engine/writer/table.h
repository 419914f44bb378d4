// One table as the writer appends to it: its active segment, its tree files and its manifest. Knows nothing of commits
// but where they stand. Byte formats: engine/FORMAT.md.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/os/file.h"
#include "engine/segment/format.h"
#include "engine/segment/level_files.h"
#include "engine/tree/source_of.h"
#include "engine/tree/tree.h"

namespace khipu::writer {

// Rows made ready for one table: whole frames back to back, and where each starts.
struct Rows {
  Buffer frames;
  std::vector<size_t> starts;
  TimeUs time_min = INT64_MAX, time_max = INT64_MIN;  // of the frames
  TimeUs recorded_first = 0, recorded_last = 0;
  void add_times(TimeUs time, TimeUs recorded) {
    if (starts.empty()) recorded_first = recorded;
    recorded_last = recorded;
    time_min = std::min(time_min, time);
    time_max = std::max(time_max, time);
  }
  void clear() {
    frames.clear();
    starts.clear();
    time_min = INT64_MAX, time_max = INT64_MIN, recorded_first = recorded_last = 0;
  }
};

using LevelSource = tree::SourceOf<segment::LevelFiles&>;

// What a table stands at when it is opened for appending: the line recovery found.
struct TableStart {
  segment::HeadTable head;
  tree::Builder builder;  // at head.size
  segment::Footer times;  // time facts of the rows in the active segment so far
};

// Owner: the writer's thread; sync_segment() alone may run on the sync thread beside append().
class Table {
 public:
  static Result<std::unique_ptr<Table>> open(os::Directory& root, TableId id, const RootId& root_id, TableStart start,
                                             uint64_t segment_size_bytes);

  // Writes the rows behind the last ones and their hashes into the tree files. Nothing is synced. kWithFrame: the rows
  // are taken, and go into the Unwritten of the place_frame() that follows at once.
  enum class Write { kNow, kWithFrame };
  Result<void> append(Rows& rows, Write write);
  // Bytes whose place is taken, for whoever writes them.
  struct Unwritten {
    std::shared_ptr<os::File> file;
    uint64_t offset = 0;
    Buffer bytes;
  };
  // The place of a commit frame behind the rows: at `frame_offset`.
  Result<Unwritten> place_frame(Buffer frame, uint64_t& frame_offset);

  std::shared_ptr<os::File> file() const { return file_; }  // for the sync thread: fdatasync of the active segment
  bool wants_seal() const { return end_offset_ >= segment_size_bytes_; }

  // Only behind a synced commit and with no later row in the segment (engine/FORMAT.md "Commit order"): footer, tree
  // files, fsync, directory fsync, next segment, manifest entry, fsync.
  struct Behind {
    CommitNumber number;
    Hash hash{};
    uint64_t offset = 0;
  };
  Result<segment::ManifestEntry> seal(const Behind& commit);

  // fdatasync of the tree files; what they then hold for `committed` rows is durable.
  Result<void> sync_tree(uint64_t committed);

  // Somebody else synced the tree files, through descriptors of their own.
  void note_tree_synced(uint64_t committed) { tree_synced_ = std::max(tree_synced_, committed); }

  uint64_t size() const { return builder_.size(); }
  segment::HeadTable head() const;
  const Hash& root() const { return root_; }

 private:
  Table(TableId id, const RootId& root_id, uint64_t segment_size_bytes)
      : id_(id), root_id_(root_id), segment_size_bytes_(segment_size_bytes) {}
  Result<void> open_segment(bool create);
  Result<void> append_to_tree(const Rows& rows);
  Result<void> reserve(uint64_t offset, uint64_t size);
  Result<void> write_bytes(uint64_t offset, Bytes bytes);  // reserved first

  TableId id_;
  RootId root_id_;
  uint64_t segment_size_bytes_;
  std::unique_ptr<os::Directory> directory_;
  std::shared_ptr<os::File> file_;
  std::unique_ptr<os::File> manifest_;
  std::optional<segment::LevelFiles> levels_;
  tree::Builder builder_;
  Hash root_{};  // of builder_
  SegmentNumber segment_;
  Row segment_first_row_;
  uint64_t end_offset_ = segment::kHeaderSize;
  uint64_t reserved_end_ = 0;
  Buffer held_;  // rows that wait for their frame, in front of end_offset_
  uint64_t tree_synced_ = 0;
  uint64_t manifest_entries_ = 0;
  segment::Footer times_;  // of the active segment's rows
  std::array<std::vector<Hash>, tree::kLevelCount> scratch_;
  std::vector<Hash> leaves_;  // of the rows at hand
  tree::LeafHasher hasher_{leaves_};
};

}  // namespace khipu::writer
