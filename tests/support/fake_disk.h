// A disk in memory that can lose power: os::Directory and os::File with the storage semantics of the commit model, and
// the means to make any operation fail, to stop after any operation, and to look at and edit what is there.
//
// What a program sees is the cache. What a power loss leaves:
//   - content, by sectors of 512 bytes, and the size, each independently: any version since the last sync that covered
//     it, or (sectors that write_at changed) a torn mix of two. Bytes that the versions agree on never change;
//   - sync and sync_data leave only the cached version; the size is included, as with fdatasync;
//   - a FAILED sync leaves everything possible and marks it clean: a later sync says yes and does nothing to it, until
//     the bytes are written again (equal bytes suffice). So does Linux;
//   - names made, renamed and unlinked are durable after the sync of their directory, until then each change is kept or
//     lost, a rename always whole. Syncing a file does not make its name durable;
//   - truncate is a write that does not tear; preallocate leaves no trace.
// A process crash keeps the cache. Both make every handle dead (kIo for ever) and drop every lock.
//
// Differences from the kernel: a Mapping is a copy, made when mapped; directories are never removed; file status is
// what the file was made with, owned by root.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/os/file.h"
#include "tests/support/chooser.h"

namespace khipu::tests {

// The operations that change something: counted, logged and made to fail.
enum class DiskOperation {
  kCreate,
  kWrite,
  kTruncate,
  kPreallocate,
  kSyncData,
  kSync,
  kRename,
  kUnlink,
  kMakeDirectory,
  kSyncDirectory
};
std::string_view name_of(DiskOperation operation);  // "create", "write", "sync_data", "sync_directory" ...

struct DiskEvent {
  DiskOperation operation = DiskOperation::kWrite;
  std::string path;     // "root/logs/seg-0000000000.log"
  std::string to;       // kRename: the new name
  uint64_t offset = 0;  // kWrite, kPreallocate
  uint64_t size = 0;    // kWrite, kTruncate, kPreallocate
  bool failed = false;
  std::string text() const;  // "write root/HEAD 65536+176", "rename root/x.new x", "sync_data root/HEAD (failed)"
};

// How much of a write that fails, or of the last one before a crash, reaches the cache.
enum class Part { kNothing, kHalf };

struct FakeDiskState;

// Any thread; one mutex inside. Handles stay usable, and dead, after the disk has gone.
class FakeDisk {
 public:
  FakeDisk();
  ~FakeDisk();
  FakeDisk(const FakeDisk&) = delete;
  FakeDisk& operator=(const FakeDisk&) = delete;

  // A new handle on a top-level directory, made (durably, uncounted) when absent: directory("root").
  std::unique_ptr<os::Directory> directory(const std::string& name);

  // The whole state, branched: content, names and what is undecided. Without handles, locks, faults and log.
  std::unique_ptr<FakeDisk> clone() const;

  // The end of the process or of the machine. Faults planned are forgotten; handles and locks are gone.
  void crash_process();
  void power_loss(Chooser& chooser);
  void power_loss(uint64_t seed);

  // Faults. n counts the operations of DiskOperation from now on: 1 is the next one.
  void fail_nth(uint64_t n, Code code, Part part = Part::kNothing);
  void fail_from_nth(uint64_t n, Code code);  // that one and all later ones, until clear_faults()
  void crash_after_nth(uint64_t n);           // it still succeeds; from then on everything is kIo. 0: from now on
  void crash_in_nth(uint64_t n);              // half of it happens if it is a write, none otherwise; then all is kIo
  // Fails the first operation from now on that the function says yes to.
  void fail_when(std::function<bool(const DiskEvent&)> matches, Code code, Part part = Part::kNothing);
  void clear_faults();
  // Each sync of a file takes so long from now on, while other threads go on.
  void slow_syncs(std::chrono::microseconds each);
  bool crashed() const;  // a planned crash has happened

  // What happened, in order; the count includes failed ones and is what fail_nth counts.
  std::vector<DiskEvent> log() const;
  std::vector<std::string> log_text() const;
  uint64_t operations() const;
  void clear_log();

  // Looking and meddling, for attacks: paths as "root/logs/manifest". These change the cache and the disk at once, are
  // neither counted nor logged, and assert that the path is there.
  bool exists(const std::string& path) const;
  Buffer read(const std::string& path) const;
  void put(const std::string& path, Bytes content, unsigned permissions = 0640);  // made when absent
  void edit(const std::string& path, const std::function<void(Buffer&)>& change);
  void flip_bit(const std::string& path, uint64_t offset, unsigned bit = 0);
  void remove(const std::string& path);
  void move(const std::string& from, const std::string& to);
  void put_other(const std::string& path);  // something like a symbolic link: EntryKind::kOther, not openable
  void set_status(const std::string& path, os::FileStatus status);
  std::vector<std::string> files() const;  // all paths, sorted
  // Paths of files and directories whose state a power loss could still change.
  std::vector<std::string> unsynced() const;

 private:
  std::shared_ptr<FakeDiskState> state_;
};

}  // namespace khipu::tests
