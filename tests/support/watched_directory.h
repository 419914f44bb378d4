// A directory whose operations a test sees before they happen: it may refuse them, or do something meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/os/file.h"

namespace khipu::tests {

// Outlives the directory. From any thread that uses it.
struct Watch {
  // "open logs/seg-0000000000.log", "folder logs", "list logs", "read HEAD"; an Error is what the operation gives.
  std::function<Result<void>(const std::string& operation)> sees;
};

class WatchedFile final : public os::File {
 public:
  WatchedFile(std::unique_ptr<os::File> file, std::string name, const Watch& watch)
      : file_(std::move(file)), name_(std::move(name)), watch_(watch) {}
  Result<size_t> read_at(uint64_t offset, std::span<uint8_t> into) const override {
    KHIPU_TRY(watch_.sees("read " + name_));
    return file_->read_at(offset, into);
  }
  Result<void> write_at(uint64_t offset, Bytes bytes) override { return file_->write_at(offset, bytes); }
  Result<void> sync_data() override { return file_->sync_data(); }
  Result<void> sync() override { return file_->sync(); }
  Result<void> truncate(uint64_t size) override { return file_->truncate(size); }
  Result<uint64_t> size() const override { return file_->size(); }
  Result<os::FileStatus> status() const override { return file_->status(); }
  Result<void> preallocate(uint64_t offset, uint64_t size) override { return file_->preallocate(offset, size); }
  Result<std::unique_ptr<os::Mapping>> map(uint64_t size) const override { return file_->map(size); }
  Result<bool> try_lock(uint64_t offset, uint64_t size, os::LockKind kind) override {
    return file_->try_lock(offset, size, kind);
  }
  Result<void> unlock(uint64_t offset, uint64_t size) override { return file_->unlock(offset, size); }
  Result<bool> lock_refused(uint64_t offset, uint64_t size, os::LockKind kind) const override {
    return file_->lock_refused(offset, size, kind);
  }

 private:
  std::unique_ptr<os::File> file_;
  std::string name_;
  const Watch& watch_;
};

class WatchedDirectory final : public os::Directory {
 public:
  WatchedDirectory(std::unique_ptr<os::Directory> directory, std::string name, const Watch& watch)
      : directory_(std::move(directory)), name_(std::move(name)), watch_(watch) {}
  Result<std::unique_ptr<os::File>> open_file(std::string_view name, os::Mode mode, unsigned permissions) override {
    KHIPU_TRY(watch_.sees("open " + path_of(name)));
    KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, directory_->open_file(name, mode, permissions));
    return std::unique_ptr<os::File>(std::make_unique<WatchedFile>(std::move(file), path_of(name), watch_));
  }
  Result<std::unique_ptr<os::Directory>> open_directory(std::string_view name) override {
    KHIPU_TRY(watch_.sees("folder " + path_of(name)));
    KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> opened, directory_->open_directory(name));
    return std::unique_ptr<os::Directory>(
        std::make_unique<WatchedDirectory>(std::move(opened), path_of(name) + "/", watch_));
  }
  Result<void> make_directory(std::string_view name, unsigned permissions) override {
    return directory_->make_directory(name, permissions);
  }
  Result<void> rename(std::string_view from, std::string_view to) override { return directory_->rename(from, to); }
  Result<void> unlink(std::string_view name) override { return directory_->unlink(name); }
  Result<std::vector<os::Entry>> list() override {
    KHIPU_TRY(watch_.sees("list " + name_));
    return directory_->list();
  }
  Result<std::optional<os::Entry>> stat(std::string_view name) override { return directory_->stat(name); }
  Result<void> sync() override { return directory_->sync(); }
  const std::string& path() const override { return directory_->path(); }

 private:
  std::string path_of(std::string_view name) const { return name_ + std::string(name); }
  std::unique_ptr<os::Directory> directory_;
  std::string name_;
  const Watch& watch_;
};

}  // namespace khipu::tests
