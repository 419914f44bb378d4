// Open segment files with their maps and row offsets, bounded, shared by the snapshots of one Store. Sealed segments
// never change (I9); an active one only grows, so what was learnt of its front stays true. With them goes what was
// checked of the trees they belong to.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/os/file.h"
#include "engine/snapshot/checker_cache.h"

namespace khipu::snapshot {

struct Place {
  uint64_t row = 0;  // counted from the segment's first
  uint64_t offset = 0;
};
// Of rows of a segment that follow each other.
struct Places {
  uint64_t first = 0;
  std::vector<uint32_t> offsets;
  uint64_t end() const { return first + offsets.size(); }
  uint32_t operator[](uint64_t row) const { return offsets[row - first]; }
};

// Where rows stand in a segment. Thread-safe.
class SegmentView {
 public:
  explicit SegmentView(std::unique_ptr<os::File> file) : file_(std::move(file)) {}

  // Pages that hold at least bytes [0, end), fewer where the file is shorter: what is behind them is lost.
  Result<std::shared_ptr<os::Mapping>> map(uint64_t end);
  // Where rows [from, rows) of the segment stand, all below `end`. Fewer when a frame's length makes no sense: the rows
  // behind it cannot be found. Walks lengths only, once, from the place of some row not behind `from` that `start`
  // gives when it is asked, or from the segment's first; checks nothing.
  using Start = std::function<std::optional<Place>()>;
  Result<std::shared_ptr<const Places>> places(uint64_t from, uint64_t rows, uint64_t end, const Start& start);
  // Has anybody walked over that row?
  bool walked(uint64_t row);
  const os::File& file() const { return *file_; }

 private:
  Result<std::shared_ptr<os::Mapping>> map_locked(uint64_t end);
  std::unique_ptr<os::File> file_;
  std::mutex mutex_;
  std::shared_ptr<os::Mapping> mapping_;
  std::shared_ptr<Places> places_;  // replaced, not changed, once handed out
  uint64_t walked_to_ = 0;
};

class SegmentCache {
 public:
  SegmentCache(os::Directory& root, size_t open_files_max) : root_(root), open_files_max_(open_files_max) {}
  // kNotFound when the file is not there.
  Result<std::shared_ptr<SegmentView>> open(TableId table, SegmentNumber number);
  // Segments up to `last` are purged: an open descriptor would keep their blocks.
  void forget(TableId table, SegmentNumber last);
  CheckerCache& checkers() { return checkers_; }

 private:
  struct Slot {
    std::shared_ptr<SegmentView> view;
    std::list<std::pair<TableId, SegmentNumber>>::iterator place;
  };
  os::Directory& root_;
  CheckerCache checkers_;
  size_t open_files_max_;
  std::mutex mutex_;
  std::list<std::pair<TableId, SegmentNumber>> order_;  // most recently used first
  std::map<std::pair<TableId, SegmentNumber>, Slot> views_;
};

}  // namespace khipu::snapshot
