// The committed state as a reader sees it: HEAD, sizes, roots, segments, a reader slot. Takes no lock the writer ever
// waits on and copies no index. Not here: what a query means (engine/query).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/frame.h"
#include "engine/codec/record.h"
#include "engine/codec/statement.h"
#include "engine/index/reader.h"
#include "engine/os/file.h"
#include "engine/os/lock_file.h"
#include "engine/registry/schema.h"
#include "engine/segment/format.h"
#include "engine/snapshot/meta_state.h"
#include "engine/tree/tree.h"

namespace khipu::snapshot {

class Snapshot;
class SegmentCache;  // open files, maps and row offsets of segments, shared by the snapshots of a Store
class SegmentView;
struct Places;  // where rows stand in a segment
struct SharedChecker;
class Helper;
class IndexCache;  // open indexes of sealed segments
class TailIndex;   // indexes in memory of the newest rows

struct StoreOptions {
  // The pinned verifier key. Without it the key GENESIS names is used and answers can only claim `self_consistent`.
  std::optional<std::array<uint8_t, 32>> verifier_key;
  size_t open_files_max = 64;              // FD cache bound
  uint64_t index_bytes_max = 64ULL << 20;  // of checked index blocks kept in memory
  size_t index_files_max = 512;
  uint32_t tail_piece_rows = 1024, tail_run_rows = 8192;  // tail_index.h
  unsigned scan_threads_max = 4;                          // of one scan with a sieve; no more than there are processors
};

// A root opened for reading. Any thread; outlives its snapshots.
class Store {
 public:
  static Result<std::unique_ptr<Store>> open(std::unique_ptr<os::Directory> root, StoreOptions options = {});
  ~Store();

  // The newest committed state. kCorrupt when HEAD names a commit that is not there or whose signature fails
  // (after a power loss: start the writer, which recovers), kNotFound for a root never initialised.
  Result<std::shared_ptr<const Snapshot>> snapshot();

  os::Directory& root() { return *root_; }
  const StoreOptions& options() const { return options_; }

 private:
  friend class Snapshot;
  Store() = default;
  Result<std::shared_ptr<const Snapshot>> load();
  std::unique_ptr<os::Directory> root_;
  StoreOptions options_;
  std::unique_ptr<SegmentCache> cache_;
  std::unique_ptr<IndexCache> indexes_;
  std::unique_ptr<TailIndex> tail_;
  std::unique_ptr<Helper> helper_;
  std::mutex mutex_;  // guards the members below
  struct Known {
    std::optional<std::pair<TimeUs, TimeUs>> occurred, recorded;
  };
  std::map<Hash, Known> known_times_;  // by the root of the index that says them; guarded by times_mutex_
  std::mutex times_mutex_;
  std::weak_ptr<const Snapshot> newest_;   // handed out again while HEAD does not move
  std::shared_ptr<const MetaState> meta_;  // of the newest snapshot: the next one reads only what came since
};

// A run of rows in one file.
struct SegmentInfo {
  SegmentNumber number;
  Row first_row;
  uint64_t rows = 0;
  uint64_t end_offset = 0;  // bytes of frames this snapshot may see
  bool sealed = false;
  // Known for sealed segments, from the manifest: frame times (occurred_at in logs/) and recorded_at.
  TimeUs time_min = 0, time_max = 0;
  TimeUs recorded_first = 0, recorded_last = 0;
  uint64_t file_size = 0;  // with footer
  CommitNumber commit;     // the synced commit behind which it was sealed
  Hash commit_hash{};
};

// One row met by a scan. Checked up to the signed root, as a record that is shown (P5), but for meta/, which is checked
// as a whole: one that was rewritten would be missed by nobody if it no longer met a filter. What is visited is the
// copy that was checked; it lives as long as the callback.
struct ScannedRow {
  Row row;
  // Not kNone: the frame at this place is damaged. `lost` rows from `row` on cannot be read in this segment (at least
  // 1).
  codec::FrameFault fault = codec::FrameFault::kNone;
  uint64_t lost = 0;
  codec::Frame frame;                          // valid during the callback
  bool segment_missing = false;                // the fault is that the file is gone, and no RETENTION says so
  uint64_t offset = 0;                         // of the frame in its segment, when it is sound
  std::string_view finding = "frame-corrupt";  // code of the fault: leaf-, tile-mismatch, segment-missing, -truncated
  std::string_view detail = {};  // which file and what is wrong with it, when it is the segment as a whole
};
// Some rows of a segment of logs/ or registry/ and their index; nullptr: there is none to use, and they are scanned.
struct Part {
  Row first_row;
  uint64_t rows = 0;
  std::shared_ptr<const index::Reader> index;
};
enum class Order { kAscending, kDescending };
// For a scan that looks at many rows to find few, on several threads: each row is read and checked as ever, and a sound
// one that is not wanted is not visited.
struct Sieve {
  std::function<bool(const ScannedRow&)> wants;  // called by several threads at once, in any order
  std::function<bool(uint64_t rows)> passed;  // so many more rows were looked at and not visited; false ends the scan
};

// A record fit to be shown: copied, then checked leaf to signed root (P5).
struct CheckedRecord {
  Buffer payload;  // empty when not intact
  bool intact = false;
  std::string finding;  // a code of engine/verify/report.h when not intact: "leaf-mismatch", "frame-corrupt", ...
  std::string where;    // "logs row 17, seg-0000000000.log offset 4096"
};

// Immutable; any thread. Holds its epoch slot until the last reference goes.
class Snapshot : public std::enable_shared_from_this<Snapshot> {
 public:
  ~Snapshot();
  const segment::Head& head() const { return head_; }
  const codec::CommitRecord& commit() const { return commit_; }
  uint64_t size(TableId table) const { return head_.tables[index_of(table)].size; }
  const Hash& root(TableId table) const { return head_.tables[index_of(table)].root; }
  bool key_pinned() const;  // the commit's signature was checked with a key the user gave

  unsigned scan_threads_max() const { return store_->options_.scan_threads_max; }
  const MetaState& meta() const { return *meta_; }
  const codec::Genesis& genesis() const { return *meta_->genesis(); }
  const registry::Schema& schema() const { return meta_->schema(); }
  // In order, all but TABLE_HEAD, INDEX and HEARTBEAT.
  const std::vector<codec::StatementRecord>& statements() const { return meta_->statements(); }
  // Every statement in order, read again and checked against the signed root at the end: kCorrupt then means that none
  // of what was visited may be used. For who needs a statement's own words; what readers need of all is in meta().
  using VisitStatement = std::function<void(Row, const codec::StatementRecord&)>;
  Result<void> each_statement(const VisitStatement& visit) const;

  // Those whose rows are retained as this snapshot knows it, oldest first; the last one is the active segment.
  const std::vector<SegmentInfo>& segments(TableId table) const { return segments_[index_of(table)]; }
  // The segment that holds `row`; nullptr beyond the size and for rows that are not retained.
  const SegmentInfo* segment_of(TableId table, Row row) const;

  // Calls `visit` for rows [from, to) in order until it returns false. Bytes are mapped, not copied. kPurged when rows
  // of the range are not retained, also when their segment was unlinked under this snapshot: never a short result. A
  // segment that is gone without a RETENTION is met as a fault.
  using Visit = std::function<bool(const ScannedRow&)>;
  Result<void> scan(TableId table, Row from, Row to, Order order, const Visit& visit,
                    const Sieve* sieve = nullptr) const;

  // The stored hashes of a table's tree, for proofs; right up to the table's size, checked by nobody yet.
  Result<std::unique_ptr<tree::HashSource>> hashes(TableId table) const;
  // The index of a sealed segment of logs/ or registry/, or nullptr when there is none to use: then its rows are
  // scanned. kCorrupt: its file is not what the INDEX statement says.
  Result<std::shared_ptr<const index::Reader>> segment_index(TableId table, const SegmentInfo& segment) const;
  // What merged files say of sealed segments that this snapshot holds: each file that can be used, over
  // segments()[first] to [first + its count), none over the same ones, oldest first. `failed`: of one that is not what
  // its INDEX statement says.
  struct MergedRange {
    size_t first = 0;
    std::shared_ptr<const index::MergedReader> index;
  };
  using MergedFailed = std::function<void(const SegmentInfo& first, uint64_t rows, const Error&)>;
  std::vector<MergedRange> merged(TableId table, const MergedFailed& failed) const;
  // Calls visit(segment) in that order, until it returns false, for the segments in which the term may be: all but
  // those of which a merged file says that it is not. Opens no more such files than it comes to.
  using VisitSegment = std::function<Result<bool>(const SegmentInfo&)>;
  Result<void> each_holding(TableId table, const index::Term& term, Order order, const MergedFailed& failed,
                            const VisitSegment& visit) const;
  // All rows of a segment of logs/ or registry/, in order: one part with its index, or parts of runs with theirs, parts
  // that were indexed in memory (logs/) and a rest. kCorrupt as segment_index().
  Result<std::vector<Part>> parts(TableId table, const SegmentInfo& segment) const;
  // Of these the runs.
  Result<std::vector<Part>> runs(TableId table, const SegmentInfo& segment) const;
  // Least and greatest frame time, and recorded_at, of a sealed segment of logs/ as its index says them, whose word is
  // signed for: the manifest's is not, so nothing is left out by it alone. nullopt: there is no index to ask.
  using Times = std::optional<std::pair<TimeUs, TimeUs>>;
  Times occurred(const SegmentInfo& segment) const;
  Times recorded(const SegmentInfo& segment) const;
  // As scan(), for chosen rows of one segment of logs/ whose index knows their places. Rows are counted from
  // `first_row`.
  Result<void> scan_rows(const SegmentInfo& segment, Row first_row, const index::RowSet& rows,
                         const index::Column& offsets, Order order, const Visit& visit,
                         const Sieve* sieve = nullptr) const;

  // One row, checked. kNotFound beyond the size, kPurged when it is not retained.
  Result<CheckedRecord> record(TableId table, Row row) const;
  // Says which rows record() is about to be asked for: the tiles they are in, as far as nobody has checked them, are
  // hashed together. It decides nothing: record() checks each row all the same.
  void expect(TableId table, std::span<const Row> rows) const;
  // Runs `work` here and, when one is free, on another thread too, each taking what is left to do (helper.h).
  void share(const std::function<void()>& work) const;

 private:
  friend class Store;
  friend class RowBatch;
  Snapshot();
  Result<void> take_slot(Store& store);
  Result<void> load_segments();
  Result<void> load_meta(std::shared_ptr<const MetaState> known);
  void leave_out_purged();
  Result<void> check_commit();
  // nullptr: the file is gone and no RETENTION says so. kPurged with the RETENTION that does, of this snapshot or of
  // the newest.
  // The segment's file. Without a view: `finding` says why in all its rows' place, unless retention took it (kPurged).
  struct Held {
    std::shared_ptr<SegmentView> view;
    std::string_view finding = "segment-missing";
    std::string detail;
  };
  Result<Held> view(TableId table, const SegmentInfo& segment) const;
  // The index that knows where a row stands, its own segment's or its run's; nullptr: none does.
  Result<std::shared_ptr<const index::Reader>> index_of_row(TableId table, const SegmentInfo& segment, Row row) const;
  Result<std::shared_ptr<const Places>> places(TableId table, const SegmentInfo& segment, SegmentView& view,
                                               uint64_t from) const;
  Result<std::shared_ptr<const index::MergedReader>> merged_of(TableId table, size_t first, uint64_t count) const;
  struct Range {
    size_t first = 0;
    uint64_t count = 0;
    std::vector<index::Held> held;
  };
  std::optional<Range> range_at(TableId table, size_t edge, const index::Term& term, Order order,
                                const MergedFailed& failed) const;
  std::optional<index::MergedPart> merged_part(const SegmentInfo& segment) const;
  // Opened, with its mutex held by the caller. False: the stored hashes do not make the root.
  Result<bool> open_checker(TableId table, SharedChecker& shared) const;
  // "" when that is the row's leaf under the signed root, else the code of the finding.
  Result<std::string_view> judge(TableId table, Row row, const Hash& leaf) const;
  // The same for rows in ascending order, a tile's worth at once where they are whole tiles. An Error is the system's.
  Result<void> judge_each(TableId table, std::span<const Row> rows, std::span<const Hash> leaves,
                          std::span<std::string_view> findings) const;

  Store* store_ = nullptr;
  std::optional<os::ReaderSlot> slot_;
  segment::Head head_;
  codec::CommitRecord commit_;
  std::shared_ptr<const MetaState> meta_;
  std::array<std::vector<SegmentInfo>, kTableCount> segments_;
  struct Checkers;  // one tree::Checker a table, made when first asked
  std::unique_ptr<Checkers> checkers_;
};

}  // namespace khipu::snapshot
