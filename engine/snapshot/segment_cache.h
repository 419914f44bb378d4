// Open segment files with their maps and row offsets, bounded, shared by the snapshots of one Store. Sealed segments
// never change (I9); an active one only grows, so what was learnt of its front stays true. With them goes what was
// checked of the trees they belong to.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/os/file.h"
#include "engine/snapshot/checker_cache.h"

namespace khipu::snapshot {

// Where rows stand in a segment. Thread-safe.
class SegmentView {
 public:
  explicit SegmentView(std::unique_ptr<os::File> file) : file_(std::move(file)) {}

  // Pages that hold at least bytes [0, end). kCorrupt when the file is shorter than that.
  Result<std::shared_ptr<os::Mapping>> map(uint64_t end);
  // Offsets of the first rows of the segment, at most `rows` of them, all below `end`. Fewer when a frame's length
  // makes no sense: the rows behind it cannot be found. Walks lengths only, once; checks nothing.
  Result<std::shared_ptr<const std::vector<uint32_t>>> offsets(uint64_t rows, uint64_t end);
  const os::File& file() const { return *file_; }

 private:
  Result<std::shared_ptr<os::Mapping>> map_locked(uint64_t end);
  std::unique_ptr<os::File> file_;
  std::mutex mutex_;
  std::shared_ptr<os::Mapping> mapping_;
  std::shared_ptr<std::vector<uint32_t>> offsets_;  // replaced, not changed, once handed out
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
