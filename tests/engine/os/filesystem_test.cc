#include <sys/mount.h>

#include "engine/os/file.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

namespace khipu::os {
namespace {

// A file system of 64 KiB, for as long as the test lasts.
class TinyMount {
 public:
  TinyMount() { mounted_ = ::mount("tmpfs", where_.path().c_str(), "tmpfs", 0, "size=64k,nr_inodes=8") == 0; }
  ~TinyMount() {
    if (mounted_) ::umount(where_.path().c_str());
  }
  TinyMount(const TinyMount&) = delete;
  TinyMount& operator=(const TinyMount&) = delete;
  bool mounted() const { return mounted_; }
  const std::string& path() const { return where_.path(); }

 private:
  tests::TempDirectory where_;
  bool mounted_ = false;
};

TEST_CASE("file system: a full one is kNoSpace, for a write, a preallocation and a name") {
  const TinyMount tiny;
  if (!tiny.mounted()) SKIP("a small tmpfs can only be mounted by root");
  const auto root = open_directory(tiny.path()).value();
  CHECK(space(tiny.path())->total_bytes == 65536);
  {
    const auto file = root->open_file("a", Mode::kCreate).value();
    CHECK(file->preallocate(0, 1 << 20).error().code == Code::kNoSpace);
    const Result<void> written = file->write_at(0, Buffer(1 << 20, 'x'));
    REQUIRE_FALSE(written.ok());
    CHECK(written.error().code == Code::kNoSpace);
    CHECK_THAT(written.error().message, ContainsSubstring("a: write: No space left"));
    CHECK(file->size().value() <= 65536);  // what fitted stays: callers cut it or set it aside
    CHECK(space(tiny.path())->free_bytes == 0);
  }
  Code code = Code::kIo;
  for (int i = 0; i < 8 && code != Code::kNoSpace; ++i) {
    const auto file = root->open_file("name" + std::to_string(i), Mode::kCreate);
    if (!file.ok()) code = file.error().code;
  }
  CHECK(code == Code::kNoSpace);
}

TEST_CASE("file system: local ones are local, and a path that is not there is an error") {
  CHECK_FALSE(network_filesystem("/proc").value().has_value());
  const TinyMount tiny;
  if (tiny.mounted()) CHECK_FALSE(network_filesystem(tiny.path()).value().has_value());
  const tests::TempDirectory temp;
  CHECK(network_filesystem(temp.path()).ok());  // the tests themselves may run on a share
  CHECK(network_filesystem(temp / "absent").error().code == Code::kNotFound);
  CHECK(space(temp / "absent").error().code == Code::kNotFound);
}

}  // namespace
}  // namespace khipu::os
