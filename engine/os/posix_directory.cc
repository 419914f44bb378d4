#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "engine/os/file.h"
#include "engine/os/posix_error.h"
#include "engine/os/posix_file.h"

namespace khipu::os {
namespace {

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::unique_ptr<File>> open_file(std::string_view name, Mode mode, unsigned permissions) override {
    KHIPU_TRY(check_name(name));
    // O_NONBLOCK: a FIFO put under one of our names must be an Error, not a wait. Regular files do not know it.
    int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    switch (mode) {
      case Mode::kRead: flags |= O_RDONLY; break;
      case Mode::kReadWrite: flags |= O_RDWR; break;
      case Mode::kCreate: flags |= O_RDWR | O_CREAT; break;
      case Mode::kCreateNew: flags |= O_RDWR | O_CREAT | O_EXCL; break;
    }
    const std::string text(name);
    Descriptor file(retry_interrupted([&] { return ::openat(fd(), text.c_str(), flags, permissions); }));
    if (!file.valid()) return failed(name, "open");
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return failed(name, "fstat");
    if (!S_ISREG(status.st_mode)) return Error{Code::kForbidden, full(name) + ": open: is not a regular file"};
    return make_posix_file(std::move(file), full(name));
  }

  Result<std::unique_ptr<Directory>> open_directory(std::string_view name) override {
    KHIPU_TRY(check_name(name));
    const std::string text(name);
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    Descriptor directory(retry_interrupted([&] { return ::openat(fd(), text.c_str(), flags); }));
    if (!directory.valid()) {
      const int number = errno;
      struct stat status {};  // the kernel says ENOTDIR for a link as well
      if (number == ENOTDIR && ::fstatat(fd(), text.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISLNK(status.st_mode)) {
        return system_error(full(name), "open", ELOOP);
      }
      return system_error(full(name), "open", number);
    }
    return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(std::move(directory), full(name)));
  }

  Result<void> make_directory(std::string_view name, unsigned permissions) override {
    KHIPU_TRY(check_name(name));
    const std::string text(name);
    if (::mkdirat(fd(), text.c_str(), permissions) == 0) return {};
    if (errno != EEXIST) return failed(name, "mkdir");
    KHIPU_TRY_ASSIGN(const std::optional<Entry> entry, stat(name));
    if (entry && entry->kind == EntryKind::kDirectory) return {};
    return Error{Code::kConflict, full(name) + ": mkdir: something that is not a directory has this name"};
  }

  Result<void> rename(std::string_view from, std::string_view to) override {
    KHIPU_TRY(check_name(from));
    KHIPU_TRY(check_name(to));
    if (::renameat(fd(), std::string(from).c_str(), fd(), std::string(to).c_str()) != 0) return failed(from, "rename");
    return {};
  }

  Result<void> unlink(std::string_view name) override {
    KHIPU_TRY(check_name(name));
    if (::unlinkat(fd(), std::string(name).c_str(), 0) != 0) return failed(name, "unlink");
    return {};
  }

  Result<std::vector<Entry>> list() override {
    // Opened anew: a directory stream has a position, and a duplicated descriptor would share it between threads.
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    const int own = retry_interrupted([&] { return ::openat(fd(), ".", flags); });
    if (own < 0) return system_error(path_, "open", errno);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own), ::closedir);
    if (!stream) {
      const Error error = system_error(path_, "list", errno);
      ::close(own);
      return error;
    }
    std::vector<Entry> entries;
    for (;;) {
      errno = 0;
      const dirent* const next = ::readdir(stream.get());
      if (next == nullptr) break;
      const std::string_view name(next->d_name);
      if (name == "." || name == "..") continue;
      KHIPU_TRY_ASSIGN(std::optional<Entry> entry, stat(name));
      if (entry) entries.push_back(std::move(*entry));  // gone between the two calls: as if never listed
    }
    if (errno != 0) return system_error(path_, "list", errno);
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
    return entries;
  }

  Result<std::optional<Entry>> stat(std::string_view name) override {
    KHIPU_TRY(check_name(name));
    struct stat status {};
    if (::fstatat(fd(), std::string(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return std::optional<Entry>();
      return failed(name, "stat");
    }
    Entry entry;
    entry.name = name;
    entry.owner_uid = status.st_uid;
    if (S_ISREG(status.st_mode)) {
      entry.kind = EntryKind::kFile;
      entry.size = static_cast<uint64_t>(status.st_size);
    } else if (S_ISDIR(status.st_mode)) {
      entry.kind = EntryKind::kDirectory;
    }
    return std::optional<Entry>(std::move(entry));
  }

  Result<void> sync() override {
    if (::fsync(fd()) != 0) return system_error(path_, "fsync", errno);
    return {};
  }

  Result<Owner> owner() const override {
    struct stat status {};
    if (::fstat(fd(), &status) != 0) return system_error(path_, "fstat", errno);
    return Owner{status.st_uid, status.st_gid};
  }

  Result<void> set_owner(const Owner& owner) override {
    if (::fchown(fd(), owner.uid, owner.gid) != 0) return system_error(path_, "fchown", errno);
    return {};
  }

  const std::string& path() const override { return path_; }

 private:
  int fd() const { return descriptor_.get(); }
  std::string full(std::string_view name) const { return path_ + "/" + std::string(name); }
  Error failed(std::string_view name, std::string_view operation) const {
    return system_error(full(name), operation, errno);
  }

  Descriptor descriptor_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<Directory>> open_directory(const std::string& path) {
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  Descriptor directory(retry_interrupted([&] { return ::open(path.c_str(), flags); }));
  if (!directory.valid()) return system_error(path, "open", errno);
  return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(std::move(directory), path));
}

Result<std::unique_ptr<Directory>> create_directory(const std::string& path, unsigned permissions) {
  if (::mkdir(path.c_str(), permissions) == 0) {
    std::string parent = path;
    while (parent.size() > 1 && parent.back() == '/') parent.pop_back();
    const size_t slash = parent.rfind('/');
    parent = slash == std::string::npos ? "." : slash == 0 ? "/" : parent.substr(0, slash);
    KHIPU_TRY_ASSIGN(const std::unique_ptr<Directory> above, open_directory(parent));
    KHIPU_TRY(above->sync());
  } else if (errno != EEXIST) {
    return system_error(path, "mkdir", errno);
  }
  return open_directory(path);
}

}  // namespace khipu::os
