// Files and directories: every system call on them, behind two interfaces so that tests can put a fake disk
// (tests/support/fake_disk.h) in the place of the kernel. Not here: what the bytes mean.
//
// All names are single path components, opened relative to a directory handle with O_NOFOLLOW|O_CLOEXEC: no symbolic
// link below an opened directory is ever followed. Offsets and sizes are bytes. Errors: kNotFound (ENOENT),
// kNoSpace (ENOSPC, EDQUOT), kForbidden (EACCES, EPERM, ELOOP, and what is not a regular file
// where a file is wanted), kConflict (EEXIST), kIo (all else); messages carry the
// name and the errno text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/result.h"

namespace khipu::os {

enum class LockKind { kShared, kExclusive };

// Read-only pages of a file. For speed, not for trust: what is checked is copied first, verify never maps. A page that
// the file no longer has (it was cut short) or the disk cannot give reads as zeroes from the first touch on, which no
// check takes for a record: no access ends the process (mapped_pages.h).
class Mapping {
 public:
  virtual ~Mapping() = default;
  virtual Bytes bytes() const = 0;
  // Zeroes stand in the place of some page for as long as this mapping lives: a new one shows the file as it is.
  virtual bool lost_pages() const { return false; }
};

// Who may touch an open file: what a key file is judged by.
struct FileStatus {
  bool regular = true;
  uint32_t owner_uid = 0;
  uint32_t permissions = 0600;  // the low twelve bits: set-id, sticky, rwx for user, group and others
  uint64_t links = 1;
};

struct Owner {
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// An open file. Any thread may read; writes, truncate and sync of one File are its owner's, except that sync_data may
// run beside write_at (the writer's pipeline does exactly that).
class File {
 public:
  virtual ~File() = default;

  // Reads up to into.size() bytes; fewer only at the end of the file.
  virtual Result<size_t> read_at(uint64_t offset, std::span<uint8_t> into) const = 0;
  // Writes all of it; a short write is continued, then an Error.
  virtual Result<void> write_at(uint64_t offset, Bytes bytes) = 0;
  virtual Result<void> sync_data() = 0;  // fdatasync
  // Sets what was written on its way to the disk and waits for nothing (sync_file_range): a sync_data() that follows
  // has less to wait for. Only a hint: it promises nothing, and a failed write is for sync_data() to report.
  virtual void start_sync() {}
  virtual Result<void> sync() = 0;                   // fsync
  virtual Result<void> truncate(uint64_t size) = 0;  // ftruncate
  virtual Result<uint64_t> size() const = 0;
  // The first byte at or behind `offset` that is not in a hole of a sparse file (SEEK_DATA); the size when only a hole
  // follows. `offset` itself where the file system does not tell.
  virtual Result<uint64_t> data_from(uint64_t offset) const { return offset; }
  virtual Result<FileStatus> status() const = 0;        // fstat
  virtual Result<void> set_owner(const Owner& owner) {  // fchown
    (void)owner;
    return {};
  }
  // fallocate(FALLOC_FL_KEEP_SIZE): blocks without length. A file system that cannot is not an Error; a full one is.
  virtual Result<void> preallocate(uint64_t offset, uint64_t size) = 0;
  // Maps bytes [0, size) read-only; size must not exceed the file's.
  virtual Result<std::unique_ptr<Mapping>> map(uint64_t size) const = 0;
  // Open-file-description byte-range lock (F_OFD_SETLK, F_OFD_SETLKW is never used). False: somebody else holds it.
  virtual Result<bool> try_lock(uint64_t offset, uint64_t size, LockKind kind) = 0;
  virtual Result<void> unlock(uint64_t offset, uint64_t size) = 0;
  // Would try_lock be refused at this moment? Takes no lock (F_OFD_GETLK), so it never disturbs anybody.
  virtual Result<bool> lock_refused(uint64_t offset, uint64_t size, LockKind kind) const = 0;

  Result<Buffer> read_all(uint64_t size_bytes_max) const;  // kLimit when the file is larger
  // Exactly size bytes, or kCorrupt naming how many there were.
  Result<void> read_exactly(uint64_t offset, std::span<uint8_t> into) const;
};

enum class Mode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // opened for reading and writing, made when absent
  kCreateNew,  // O_EXCL: kConflict when it exists
};

enum class EntryKind { kFile, kDirectory, kOther };  // kOther: symbolic links, sockets, devices

struct Entry {
  std::string name;
  EntryKind kind = EntryKind::kOther;
  uint64_t size = 0;  // files only
  uint32_t owner_uid = 0;
};

// kInvalid unless `name` is a single path component.
Result<void> check_name(std::string_view name);

// An open directory. Names are single components; "", ".", ".." and anything with '/' or NUL are kInvalid.
class Directory {
 public:
  virtual ~Directory() = default;
  virtual Result<std::unique_ptr<File>> open_file(std::string_view name, Mode mode, unsigned permissions = 0640) = 0;
  virtual Result<std::unique_ptr<Directory>> open_directory(std::string_view name) = 0;
  // Made with these permissions when absent (an existing directory is fine); does not sync the parent.
  virtual Result<void> make_directory(std::string_view name, unsigned permissions = 0750) = 0;
  virtual Result<void> rename(std::string_view from, std::string_view to) = 0;  // within this directory, replaces
  virtual Result<void> unlink(std::string_view name) = 0;                       // a file; kNotFound when absent
  virtual Result<std::vector<Entry>> list() = 0;                                // sorted by name, without . and ..
  virtual Result<std::optional<Entry>> stat(std::string_view name) = 0;         // nullopt when absent; never follows
  virtual Result<void> sync() = 0;                                              // fsync of the directory
  virtual Result<Owner> owner() const { return Owner{}; }                       // fstat
  virtual Result<void> set_owner(const Owner& owner) {                          // fchown
    (void)owner;
    return {};
  }
  virtual const std::string& path() const = 0;  // for messages

  // New content under `name`, or the old, never a mix: write NAME.new, fsync, rename, fsync of the directory.
  Result<void> replace_file(std::string_view name, Bytes content, unsigned permissions = 0640);
};

// The kernel's. `path` itself may be reached through links; what is below it may not.
Result<std::unique_ptr<Directory>> open_directory(const std::string& path);
// mkdir(path, permissions) when absent, fsync of its parent, then open.
Result<std::unique_ptr<Directory>> create_directory(const std::string& path, unsigned permissions);
// The kind of file system under `path` when it is one on which locks or fsync cannot be trusted between hosts
// (NFS, SMB/CIFS, 9p, FUSE network kinds, AFS, Ceph, Lustre, GFS2, OCFS2 ...), by statfs magic; nullopt when local.
Result<std::optional<std::string>> network_filesystem(const std::string& path);
// Free and total bytes of the file system under `path`.
struct Space {
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
};
Result<Space> space(const std::string& path);

}  // namespace khipu::os
