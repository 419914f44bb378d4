// The state of one file or directory of a FakeDisk: what programs see (the cache) and what the disk may hold. The rules
// are those of the commit model's cells: a write adds a possible value, a sync leaves only the cached one, a failed
// sync leaves all but marks the cell clean, so that a later sync does nothing to it.
//
// Private to FakeDisk; guarded by its mutex.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/os/file.h"
#include "tests/support/chooser.h"

namespace khipu::tests {

inline constexpr size_t kSectorSize = 512;
// Versions remembered of one sector or size between syncs: the first and the newest ones. Fewer ways, none impossible.
inline constexpr size_t kVersionsMax = 8;

struct FakeLock {
  uint64_t owner = 0;  // the open file description
  uint64_t begin = 0, end = 0;
  os::LockKind kind = os::LockKind::kShared;
};

class FakeContent {
 public:
  FakeContent() = default;
  explicit FakeContent(Buffer settled) : cache_(std::move(settled)) {}

  const Buffer& cache() const { return cache_; }
  void write(uint64_t offset, Bytes bytes);
  void truncate(uint64_t size);
  void sync();
  void sync_failed();
  bool settled() const { return sectors_.empty() && older_sizes_.empty(); }
  // What a power loss leaves becomes the cache and is all there is.
  void lose_power(Chooser& chooser);

 private:
  using Sector = std::array<uint8_t, kSectorSize>;
  struct Cell {
    std::vector<Sector> older;  // oldest first; the cached content is possible as well
    bool dirty = false;
    bool tears = false;
  };
  Sector sector(uint64_t index) const;
  void remember(uint64_t index, const Sector& before, bool tears);
  void remember_size(uint64_t before);

  Buffer cache_;
  std::map<uint64_t, Cell> sectors_;  // those of which more than the cached content is possible
  std::vector<uint64_t> older_sizes_;
  bool size_dirty_ = false;
  uint64_t written_end_ = 0;  // since the last sync: a sync makes the file at least this long
};

struct FakeInode;
using Names = std::map<std::string, std::shared_ptr<FakeInode>>;

// A change of one name, or two: renames are kept or lost whole.
struct NameChange {
  enum class Kind { kLink, kUnlink, kRename };
  Kind kind = Kind::kLink;
  std::string name;
  std::string to;  // kRename only
  std::shared_ptr<FakeInode> inode;
  bool clean = false;    // a sync that covered it has failed
  bool durable = false;  // a sync that covered it has returned
};

class FakeNames {
 public:
  const Names& cache() const { return cache_; }
  void change(NameChange change);
  void sync();
  void sync_failed();
  bool settled() const { return changes_.empty(); }
  void lose_power(Chooser& chooser);
  void settle(Names names) {
    durable_ = cache_ = std::move(names);
    changes_.clear();
  }
  const Names& durable() const { return durable_; }
  const std::vector<NameChange>& changes() const { return changes_; }
  void restore(Names cache, Names durable, std::vector<NameChange> changes);  // for clones

 private:
  static void apply(Names& names, const NameChange& change);
  Names cache_;
  Names durable_;                    // before all of changes_
  std::vector<NameChange> changes_;  // in order; those in front of the first undecided one are folded into durable_
};

struct FakeInode {
  os::EntryKind kind = os::EntryKind::kFile;
  os::FileStatus status;
  FakeContent content;
  FakeNames names;
  std::vector<FakeLock> locks;
};

}  // namespace khipu::tests
