#include <algorithm>
#include <thread>

#include "tests/support/fake_disk_state.h"

namespace khipu::tests {
namespace {

class FakeMapping final : public os::Mapping {
 public:
  explicit FakeMapping(Buffer copy) : copy_(std::move(copy)) {}
  Bytes bytes() const override { return copy_; }

 private:
  Buffer copy_;
};

class FakeFile final : public os::File {
 public:
  FakeFile(std::shared_ptr<FakeDiskState> state, std::shared_ptr<FakeInode> inode, std::string path, bool writable)
      : state_(std::move(state)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        writable_(writable),
        generation_(state_->generation),
        handle_(state_->next_handle++) {}
  FakeFile(const FakeFile&) = delete;
  FakeFile& operator=(const FakeFile&) = delete;
  ~FakeFile() override {
    const std::lock_guard guard(state_->mutex);
    std::erase_if(inode_->locks, [&](const FakeLock& lock) { return lock.owner == handle_; });
  }

  Result<size_t> read_at(uint64_t offset, std::span<uint8_t> into) const override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(alive());
    const Buffer& cache = inode_->content.cache();
    if (offset >= cache.size()) return size_t{0};
    const size_t size = std::min<uint64_t>(into.size(), cache.size() - offset);
    std::copy_n(cache.begin() + static_cast<ptrdiff_t>(offset), size, into.begin());
    return size;
  }

  Result<void> write_at(uint64_t offset, Bytes bytes) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(usable());
    const auto verdict = begin(DiskOperation::kWrite, offset, bytes.size());
    if (verdict.error) {
      if (verdict.part == Part::kHalf) inode_->content.write(offset, bytes.first((bytes.size() + 1) / 2));
      return *verdict.error;
    }
    inode_->content.write(offset, bytes);
    return {};
  }

  Result<void> sync_data() override { return sync_as(DiskOperation::kSyncData); }
  Result<void> sync() override { return sync_as(DiskOperation::kSync); }

  Result<void> truncate(uint64_t size) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(usable());
    const auto verdict = begin(DiskOperation::kTruncate, 0, size);
    if (verdict.error) return *verdict.error;
    inode_->content.truncate(size);
    return {};
  }

  Result<uint64_t> size() const override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(alive());
    return uint64_t{inode_->content.cache().size()};
  }

  Result<os::FileStatus> status() const override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(alive());
    return inode_->status;
  }

  Result<void> preallocate(uint64_t offset, uint64_t size) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(usable());
    const auto verdict = begin(DiskOperation::kPreallocate, offset, size);
    if (verdict.error) return *verdict.error;
    return {};
  }

  Result<std::unique_ptr<os::Mapping>> map(uint64_t size) const override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(alive());
    const Buffer& cache = inode_->content.cache();
    if (size > cache.size()) return Error{Code::kCorrupt, path_ + ": map: the file is shorter"};
    return std::unique_ptr<os::Mapping>(
        std::make_unique<FakeMapping>(Buffer(cache.begin(), cache.begin() + static_cast<ptrdiff_t>(size))));
  }

  Result<bool> try_lock(uint64_t offset, uint64_t size, os::LockKind kind) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(alive());
    if (kind == os::LockKind::kExclusive) KHIPU_TRY(usable());
    if (refused(offset, size, kind)) return false;
    drop(offset, size);
    inode_->locks.push_back({handle_, offset, offset + size, kind});
    return true;
  }

  Result<void> unlock(uint64_t offset, uint64_t size) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(alive());
    drop(offset, size);
    return {};
  }

  Result<bool> lock_refused(uint64_t offset, uint64_t size, os::LockKind kind) const override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(alive());
    return refused(offset, size, kind);
  }

 private:
  Result<void> alive() const { return state_->alive(generation_, path_); }
  Result<void> usable() const {
    KHIPU_TRY(alive());
    if (!writable_) return Error{Code::kIo, path_ + ": Bad file descriptor: it was opened for reading"};
    return {};
  }

  FakeDiskState::Verdict begin(DiskOperation operation, uint64_t offset, uint64_t size) {
    return state_->begin({operation, path_, "", offset, size, false});
  }

  Result<void> sync_as(DiskOperation operation) {
    std::unique_lock guard(state_->mutex);
    if (const auto time = state_->sync_time; time.count() > 0) {
      guard.unlock();
      std::this_thread::sleep_for(time);
      guard.lock();
    }
    KHIPU_TRY(alive());
    const auto verdict = begin(operation, 0, 0);
    if (verdict.error) {
      inode_->content.sync_failed();
      return *verdict.error;
    }
    inode_->content.sync();
    return {};
  }

  bool refused(uint64_t offset, uint64_t size, os::LockKind kind) const {
    return std::any_of(inode_->locks.begin(), inode_->locks.end(), [&](const FakeLock& lock) {
      return lock.owner != handle_ && lock.begin < offset + size && offset < lock.end &&
             (kind == os::LockKind::kExclusive || lock.kind == os::LockKind::kExclusive);
    });
  }

  // Takes [offset, offset + size) out of this handle's own locks, which may leave two pieces of one.
  void drop(uint64_t offset, uint64_t size) {
    std::vector<FakeLock> left;
    for (const FakeLock& lock : inode_->locks) {
      if (lock.owner != handle_ || lock.end <= offset || offset + size <= lock.begin) {
        left.push_back(lock);
        continue;
      }
      if (lock.begin < offset) left.push_back({handle_, lock.begin, offset, lock.kind});
      if (offset + size < lock.end) left.push_back({handle_, offset + size, lock.end, lock.kind});
    }
    inode_->locks = std::move(left);
  }

  std::shared_ptr<FakeDiskState> state_;
  std::shared_ptr<FakeInode> inode_;
  std::string path_;
  bool writable_;
  uint64_t generation_;
  uint64_t handle_;
};

}  // namespace

std::unique_ptr<os::File> make_fake_file(std::shared_ptr<FakeDiskState> state, std::shared_ptr<FakeInode> inode,
                                         std::string path, bool writable) {
  return std::make_unique<FakeFile>(std::move(state), std::move(inode), std::move(path), writable);
}

}  // namespace khipu::tests
