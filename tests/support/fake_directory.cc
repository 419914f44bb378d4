#include "tests/support/fake_disk_state.h"

namespace khipu::tests {
namespace {

class FakeDirectory final : public os::Directory {
 public:
  FakeDirectory(std::shared_ptr<FakeDiskState> state, std::shared_ptr<FakeInode> inode, std::string path)
      : state_(std::move(state)), inode_(std::move(inode)), path_(std::move(path)), generation_(state_->generation) {}

  Result<std::unique_ptr<os::File>> open_file(std::string_view name, os::Mode mode, unsigned permissions) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(usable(name));
    std::shared_ptr<FakeInode> file = find(name);
    if (file && mode == os::Mode::kCreateNew) return Error{Code::kConflict, full(name) + ": open: File exists"};
    if (file && file->kind != os::EntryKind::kFile) {
      return Error{Code::kForbidden, full(name) + ": open: is not a regular file"};
    }
    if (!file) {
      if (mode == os::Mode::kRead || mode == os::Mode::kReadWrite) return missing(name, "open");
      const auto verdict = state_->begin({DiskOperation::kCreate, full(name), "", 0, 0, false});
      if (verdict.error) return *verdict.error;
      file = std::make_shared<FakeInode>();
      file->status.permissions = permissions;
      inode_->names.change({NameChange::Kind::kLink, std::string(name), "", file, false, false});
    }
    return make_fake_file(state_, std::move(file), full(name), mode != os::Mode::kRead);
  }

  Result<std::unique_ptr<os::Directory>> open_directory(std::string_view name) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(usable(name));
    std::shared_ptr<FakeInode> directory = find(name);
    if (!directory) return missing(name, "open");
    if (directory->kind == os::EntryKind::kOther) {
      return Error{Code::kForbidden, full(name) + ": open: is a symbolic link, and links are not followed here"};
    }
    if (directory->kind != os::EntryKind::kDirectory) return Error{Code::kIo, full(name) + ": open: Not a directory"};
    return make_fake_directory(state_, std::move(directory), full(name));
  }

  Result<void> make_directory(std::string_view name, unsigned) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(usable(name));
    if (const std::shared_ptr<FakeInode> existing = find(name)) {
      if (existing->kind == os::EntryKind::kDirectory) return {};
      return Error{Code::kConflict, full(name) + ": mkdir: something that is not a directory has this name"};
    }
    const auto verdict = state_->begin({DiskOperation::kMakeDirectory, full(name), "", 0, 0, false});
    if (verdict.error) return *verdict.error;
    inode_->names.change(
        {NameChange::Kind::kLink, std::string(name), "", FakeDiskState::new_directory(), false, false});
    return {};
  }

  Result<void> rename(std::string_view from, std::string_view to) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(usable(from));
    KHIPU_TRY(os::check_name(to));
    const std::shared_ptr<FakeInode> moved = find(from);
    if (!moved) return missing(from, "rename");
    const auto verdict = state_->begin({DiskOperation::kRename, full(from), std::string(to), 0, 0, false});
    if (verdict.error) return *verdict.error;
    if (from == to) return {};
    inode_->names.change({NameChange::Kind::kRename, std::string(from), std::string(to), moved, false, false});
    return {};
  }

  Result<void> unlink(std::string_view name) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(usable(name));
    const std::shared_ptr<FakeInode> gone = find(name);
    if (!gone) return missing(name, "unlink");
    if (gone->kind == os::EntryKind::kDirectory) {
      return Error{Code::kForbidden, full(name) + ": unlink: Is a directory"};
    }
    const auto verdict = state_->begin({DiskOperation::kUnlink, full(name), "", 0, 0, false});
    if (verdict.error) return *verdict.error;
    inode_->names.change({NameChange::Kind::kUnlink, std::string(name), "", gone, false, false});
    return {};
  }

  Result<std::vector<os::Entry>> list() override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(state_->alive(generation_, path_));
    std::vector<os::Entry> entries;
    for (const auto& [name, inode] : inode_->names.cache()) entries.push_back(entry(name, *inode));
    return entries;
  }

  Result<std::optional<os::Entry>> stat(std::string_view name) override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(usable(name));
    const std::shared_ptr<FakeInode> found = find(name);
    if (!found) return std::optional<os::Entry>();
    return std::optional<os::Entry>(entry(std::string(name), *found));
  }

  Result<void> sync() override {
    const std::lock_guard guard(state_->mutex);
    KHIPU_TRY(state_->alive(generation_, path_));
    const auto verdict = state_->begin({DiskOperation::kSyncDirectory, path_, "", 0, 0, false});
    if (verdict.error) {
      inode_->names.sync_failed();
      return *verdict.error;
    }
    inode_->names.sync();
    return {};
  }

  const std::string& path() const override { return path_; }

 private:
  Result<void> usable(std::string_view name) const {
    KHIPU_TRY(os::check_name(name));
    return state_->alive(generation_, path_);
  }
  std::shared_ptr<FakeInode> find(std::string_view name) const {
    const auto found = inode_->names.cache().find(std::string(name));
    return found == inode_->names.cache().end() ? nullptr : found->second;
  }
  std::string full(std::string_view name) const { return path_ + "/" + std::string(name); }
  Error missing(std::string_view name, std::string_view operation) const {
    return Error{Code::kNotFound, full(name) + ": " + std::string(operation) + ": No such file or directory"};
  }
  static os::Entry entry(const std::string& name, const FakeInode& inode) {
    return {name, inode.kind, inode.kind == os::EntryKind::kFile ? inode.content.cache().size() : 0};
  }

  std::shared_ptr<FakeDiskState> state_;
  std::shared_ptr<FakeInode> inode_;
  std::string path_;
  uint64_t generation_;
};

}  // namespace

std::unique_ptr<os::Directory> make_fake_directory(std::shared_ptr<FakeDiskState> state,
                                                   std::shared_ptr<FakeInode> inode, std::string path) {
  return std::make_unique<FakeDirectory>(std::move(state), std::move(inode), std::move(path));
}

}  // namespace khipu::tests
