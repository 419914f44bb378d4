// Index files that are open, shared by the snapshots of one Store and bounded by the bytes they hold and
// by their number. An index counts only through its INDEX statement; the blocks of one are checked as they are touched.
#pragma once

#include <array>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "engine/codec/statement.h"
#include "engine/index/merged.h"
#include "engine/os/file.h"

namespace khipu::snapshot {

// Any thread.
class IndexCache {
 public:
  IndexCache(os::Directory& root, uint64_t loaded_bytes_max, size_t open_files_max)
      : root_(root), loaded_bytes_max_(loaded_bytes_max), open_files_max_(open_files_max) {}
  // Of rows of segment `number`. nullptr: the file is not there (it is built again when the writer starts), or the
  // segment's. kCorrupt: it is not what the statement says.
  Result<std::shared_ptr<const index::Reader>> open(const codec::IndexStatement& statement, SegmentNumber number);
  // The same of a merged file, whose segments must all be there.
  Result<std::shared_ptr<const index::MergedReader>> open(const codec::IndexStatement& statement,
                                                          const index::MergedName& name);
  // nullptr unless it is open already.
  std::shared_ptr<const index::Reader> held(const codec::IndexStatement& statement);

 private:
  struct Slot {
    std::shared_ptr<const index::Reader> reader;  // one of the two
    std::shared_ptr<const index::MergedReader> merged;
    uint64_t loaded_bytes() const { return reader ? reader->loaded_bytes() : merged->loaded_bytes(); }
    std::list<Hash>::iterator place;
  };
  Result<std::shared_ptr<const index::Reader>> read(const codec::IndexStatement& statement, SegmentNumber number);
  Result<std::shared_ptr<const index::MergedReader>> read(const codec::IndexStatement& statement,
                                                          const index::MergedName& name);
  Result<os::Directory*> folder(TableId table);
  // nullptr: it is not there.
  Result<std::unique_ptr<index::BlockFile>> blocks(const codec::IndexStatement& statement);
  Slot* used(const Hash& root);
  // open() of either kind: what `kept` of a slot holds, of segments that `what` names.
  template <typename Kind, typename Name>
  Result<std::shared_ptr<const Kind>> open_as(std::shared_ptr<const Kind> Slot::*kept,
                                              const codec::IndexStatement& statement, const Name& what);
  void bound();

  os::Directory& root_;
  uint64_t loaded_bytes_max_;
  size_t open_files_max_;
  std::mutex mutex_;       // guards the members below
  std::list<Hash> order_;  // most recently used first
  std::map<Hash, Slot> slots_;
  std::array<std::unique_ptr<os::Directory>, kTableCount> folders_;
  uint32_t opened_ = 0;
};

}  // namespace khipu::snapshot
