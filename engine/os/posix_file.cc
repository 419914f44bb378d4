#include "engine/os/posix_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/os/access_list.h"
#include "engine/os/mapped_pages.h"

namespace khipu::os {
namespace {

// One call is never asked for more: Linux moves at most 0x7ffff000 bytes at once anyway.
constexpr size_t kCallSizeBytesMax = size_t{1} << 30;

class PosixMapping final : public Mapping {
 public:
  PosixMapping(void* address, size_t size, GuardedPages* pages) : address_(address), size_(size), pages_(pages) {}
  PosixMapping(const PosixMapping&) = delete;
  PosixMapping& operator=(const PosixMapping&) = delete;
  ~PosixMapping() override {
    if (size_ == 0) return;
    unguard_pages(pages_);
    ::munmap(address_, size_);
  }
  Bytes bytes() const override { return {static_cast<const uint8_t*>(address_), size_}; }
  bool lost_pages() const override { return size_ > 0 && pages_lost(pages_); }

 private:
  void* address_;
  size_t size_;
  GuardedPages* pages_;  // nullptr: of no bytes
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string name) : descriptor_(std::move(descriptor)), name_(std::move(name)) {}

  Result<size_t> read_at(uint64_t offset, std::span<uint8_t> into) const override {
    size_t done = 0;
    while (done < into.size()) {
      const size_t want = std::min(into.size() - done, kCallSizeBytesMax);
      const ssize_t got =
          retry_interrupted([&] { return ::pread(fd(), into.data() + done, want, static_cast<off_t>(offset + done)); });
      if (got < 0) return failed("read");
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Result<void> write_at(uint64_t offset, Bytes bytes) override {
    size_t done = 0;
    while (done < bytes.size()) {
      const size_t want = std::min(bytes.size() - done, kCallSizeBytesMax);
      const ssize_t put = retry_interrupted(
          [&] { return ::pwrite(fd(), bytes.data() + done, want, static_cast<off_t>(offset + done)); });
      if (put < 0) return failed("write");
      if (put == 0) return Error{Code::kIo, name_ + ": write: nothing was written"};
      done += static_cast<size_t>(put);
    }
    return {};
  }

  // Not retried after EINTR or any other failure: a second fsync may report a success that never happened.
  Result<void> sync_data() override { return ::fdatasync(fd()) == 0 ? Result<void>() : failed("fdatasync"); }
  // Without a waiting flag sync_file_range leaves a write error where fdatasync finds it.
  void start_sync() override { (void)::sync_file_range(fd(), 0, 0, SYNC_FILE_RANGE_WRITE); }
  Result<void> sync() override { return ::fsync(fd()) == 0 ? Result<void>() : failed("fsync"); }

  Result<void> truncate(uint64_t size) override {
    if (retry_interrupted([&] { return ::ftruncate(fd(), static_cast<off_t>(size)); }) != 0) return failed("truncate");
    return {};
  }

  Result<uint64_t> size() const override {
    struct stat status {};
    if (::fstat(fd(), &status) != 0) return failed("fstat");
    return static_cast<uint64_t>(status.st_size);
  }

  Result<uint64_t> data_from(uint64_t offset) const override {
    const off_t found = ::lseek(fd(), static_cast<off_t>(offset), SEEK_DATA);
    if (found >= 0) return static_cast<uint64_t>(found);
    if (errno == ENXIO) return size();
    if (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS) return offset;
    return failed("lseek");
  }

  Result<FileStatus> status() const override {
    struct stat status {};
    if (::fstat(fd(), &status) != 0) return failed("fstat");
    FileStatus result;
    result.regular = S_ISREG(status.st_mode);
    result.owner_uid = status.st_uid;
    result.permissions = status.st_mode & 07777;
    result.links = status.st_nlink;
    return result;
  }

  Result<void> set_owner(const Owner& owner) override {
    if (::fchown(fd(), owner.uid, owner.gid) != 0) return failed("fchown");
    return {};
  }

  Result<std::optional<std::vector<AccessEntry>>> access_list() const {
    // Bounded: sixteen users are more than any credential names.
    std::array<uint8_t, 4 + 8 * 16> bytes;
    const ssize_t size = ::fgetxattr(fd(), "system.posix_acl_access", bytes.data(), bytes.size());
    if (size < 0 && (errno == ENODATA || errno == EOPNOTSUPP)) return std::optional<std::vector<AccessEntry>>();
    if (size < 0) return failed("fgetxattr");
    KHIPU_TRY_ASSIGN(std::vector<AccessEntry> list, parse_access_list(Bytes(bytes).first(static_cast<size_t>(size))));
    return std::optional(std::move(list));
  }

  Result<void> preallocate(uint64_t offset, uint64_t size) override {
    if (size == 0) return {};
    const int result = retry_interrupted(
        [&] { return ::fallocate(fd(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(size)); });
    if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) return failed("fallocate");
    return {};
  }

  Result<std::unique_ptr<Mapping>> map(uint64_t size) const override {
    KHIPU_TRY_ASSIGN(const uint64_t actual, this->size());
    if (size > actual) {
      return Error{Code::kCorrupt, name_ + ": map: the file has " + std::to_string(actual) + " bytes, " +
                                       std::to_string(size) + " are wanted"};
    }
    if (size == 0) return std::unique_ptr<Mapping>(std::make_unique<PosixMapping>(nullptr, 0, nullptr));
    void* const address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd(), 0);
    if (address == MAP_FAILED) return failed("mmap");
    GuardedPages* const pages = guard_pages(address, size);
    if (pages == nullptr) {
      ::munmap(address, size);
      return system_error(name_, "mmap", ENOMEM);
    }
    return std::unique_ptr<Mapping>(std::make_unique<PosixMapping>(address, size, pages));
  }

  Result<bool> try_lock(uint64_t offset, uint64_t size, LockKind kind) override {
    struct flock lock = region(offset, size, kind == LockKind::kExclusive ? F_WRLCK : F_RDLCK);
    if (retry_interrupted([&] { return ::fcntl(fd(), F_OFD_SETLK, &lock); }) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    return failed("lock");
  }

  Result<void> unlock(uint64_t offset, uint64_t size) override {
    struct flock lock = region(offset, size, F_UNLCK);
    if (retry_interrupted([&] { return ::fcntl(fd(), F_OFD_SETLK, &lock); }) != 0) return failed("unlock");
    return {};
  }

  Result<bool> lock_refused(uint64_t offset, uint64_t size, LockKind kind) const override {
    struct flock lock = region(offset, size, kind == LockKind::kExclusive ? F_WRLCK : F_RDLCK);
    if (retry_interrupted([&] { return ::fcntl(fd(), F_OFD_GETLK, &lock); }) != 0) return failed("lock query");
    return lock.l_type != F_UNLCK;
  }

 private:
  int fd() const { return descriptor_.get(); }
  Error failed(std::string_view operation) const { return system_error(name_, operation, errno); }

  static struct flock region(uint64_t offset, uint64_t size, int type) {
    struct flock lock {};  // l_pid must be 0 for the F_OFD_ commands
    lock.l_type = static_cast<short>(type);
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(offset);
    lock.l_len = static_cast<off_t>(size);
    return lock;
  }

  Descriptor descriptor_;
  std::string name_;
};

}  // namespace

Result<std::optional<std::vector<AccessEntry>>> access_list(const File& file) {
  const auto* posix = dynamic_cast<const PosixFile*>(&file);
  if (posix == nullptr) return std::optional<std::vector<AccessEntry>>();  // a test's disk
  return posix->access_list();
}

std::unique_ptr<File> make_posix_file(Descriptor descriptor, std::string name) {
  return std::make_unique<PosixFile>(std::move(descriptor), std::move(name));
}

}  // namespace khipu::os
