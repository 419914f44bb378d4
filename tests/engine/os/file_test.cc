#include "engine/os/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

namespace khipu::os {
namespace {

using tests::TempDirectory;

std::unique_ptr<Directory> opened(const TempDirectory& temp) {
  auto directory = open_directory(temp.path());
  REQUIRE(directory.ok());
  return std::move(directory).value();
}

// The error must carry the name: it is all an operator sees.
template <typename T>
void check_error(const Result<T>& result, Code code, const std::string& part) {
  REQUIRE_FALSE(result.ok());
  INFO(result.error().message);
  CHECK(result.error().code == code);
  CHECK_THAT(result.error().message, ContainsSubstring(part));
}

TEST_CASE("file: what is written at an offset is read back, with zeroes in the gap") {
  const TempDirectory temp;
  const auto root = opened(temp);
  const auto file = root->open_file("a", Mode::kCreateNew).value();
  REQUIRE(file->write_at(4, as_bytes("efg")).ok());
  REQUIRE(file->sync_data().ok());
  REQUIRE(file->sync().ok());
  CHECK(file->size().value() == 7);
  CHECK(file->read_all(7).value() == Buffer{0, 0, 0, 0, 'e', 'f', 'g'});
  check_error(file->read_all(6), Code::kLimit, "7 bytes");
  std::array<uint8_t, 4> four{};
  CHECK(file->read_at(5, four).value() == 2);
  CHECK(file->read_at(7, four).value() == 0);
  check_error(file->read_exactly(5, four), Code::kCorrupt, "offset 5");
  REQUIRE(file->truncate(5).ok());
  CHECK(file->size().value() == 5);
}

TEST_CASE("file: holes are told from what was written") {
  const TempDirectory temp;
  const auto file = opened(temp)->open_file("a", Mode::kCreate).value();
  constexpr uint64_t kFar = 1 << 24;
  REQUIRE(file->write_at(kFar, as_bytes("x")).ok());
  REQUIRE(file->truncate(2 * kFar).ok());
  const uint64_t data = file->data_from(0).value();
  CHECK(data > 0);
  CHECK(data <= kFar);
  CHECK(file->data_from(kFar).value() == kFar);
  CHECK(file->data_from(kFar + (1 << 20)).value() == 2 * kFar);
  CHECK(file->data_from(2 * kFar).value() == 2 * kFar);
}

TEST_CASE("file: preallocated blocks leave the length honest") {
  const TempDirectory temp;
  const auto file = opened(temp)->open_file("a", Mode::kCreate).value();
  REQUIRE(file->preallocate(0, 1 << 20).ok());
  REQUIRE(file->preallocate(0, 0).ok());
  CHECK(file->size().value() == 0);
}

TEST_CASE("file: a map shows the bytes and refuses more than there are") {
  const TempDirectory temp;
  const auto file = opened(temp)->open_file("a", Mode::kCreate).value();
  CHECK(file->map(0).value()->bytes().empty());
  REQUIRE(file->write_at(0, as_bytes("abc")).ok());
  const auto map = file->map(2);
  REQUIRE(map.ok());
  CHECK(as_text((*map)->bytes()) == "ab");
  check_error(file->map(4), Code::kCorrupt, "3 bytes");
}

TEST_CASE("file: modes do what they say, and errors name the file") {
  const TempDirectory temp;
  const auto root = opened(temp);
  check_error(root->open_file("a", Mode::kRead), Code::kNotFound, temp / "a");
  check_error(root->open_file("a", Mode::kReadWrite), Code::kNotFound, temp / "a");
  CHECK(root->open_file("a", Mode::kCreate, 0600).ok());
  CHECK(root->open_file("a", Mode::kCreate).ok());
  check_error(root->open_file("a", Mode::kCreateNew), Code::kConflict, temp / "a");
  const auto reader = root->open_file("a", Mode::kRead).value();
  check_error(reader->write_at(0, as_bytes("x")), Code::kIo, temp / "a");
  const FileStatus status = reader->status().value();
  CHECK(status.regular);
  CHECK(status.permissions == 0600);
  CHECK(status.owner_uid == ::geteuid());
  CHECK(status.links == 1);
}

TEST_CASE("directory: names are single components") {
  const TempDirectory temp;
  const auto root = opened(temp);
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                  std::string("/etc"), std::string("a\0b", 3), std::string(256, 'x')}) {
    CHECK(root->open_file(name, Mode::kCreate).error().code == Code::kInvalid);
    CHECK(root->open_directory(name).error().code == Code::kInvalid);
    CHECK(root->make_directory(name).error().code == Code::kInvalid);
    CHECK(root->rename("a", name).error().code == Code::kInvalid);
    CHECK(root->unlink(name).error().code == Code::kInvalid);
    CHECK(root->stat(name).error().code == Code::kInvalid);
  }
}

TEST_CASE("directory: no symbolic link is followed, to a file or to a directory, and no link is written through") {
  const TempDirectory temp;
  const auto root = opened(temp);
  REQUIRE(root->make_directory("real").ok());
  REQUIRE(root->open_file("target", Mode::kCreate).value()->write_at(0, as_bytes("old")).ok());
  REQUIRE(::symlink("target", (temp / "link").c_str()) == 0);
  REQUIRE(::symlink("real", (temp / "folder").c_str()) == 0);
  REQUIRE(::symlink("nothing", (temp / "dangling").c_str()) == 0);
  for (const Mode mode : {Mode::kRead, Mode::kReadWrite, Mode::kCreate}) {
    check_error(root->open_file("link", mode), Code::kForbidden, "symbolic link");
  }
  check_error(root->open_file("dangling", Mode::kCreate), Code::kForbidden, "symbolic link");
  check_error(root->open_directory("folder"), Code::kForbidden, "symbolic link");
  check_error(root->make_directory("folder"), Code::kConflict, "not a directory");
  CHECK(root->stat("link").value()->kind == EntryKind::kOther);
  // A link under the temporary name is removed, not followed.
  REQUIRE(::symlink("target", (temp / "state.new").c_str()) == 0);
  REQUIRE(root->replace_file("state", as_bytes("new")).ok());
  CHECK(as_text(root->open_file("target", Mode::kRead).value()->read_all(9).value()) == "old");
  CHECK(as_text(root->open_file("state", Mode::kRead).value()->read_all(9).value()) == "new");
  CHECK_FALSE(root->stat("state.new").value().has_value());
}

TEST_CASE("directory: what is not a regular file is refused at once, also a FIFO that nobody writes") {
  const TempDirectory temp;
  const auto root = opened(temp);
  REQUIRE(::mkfifo((temp / "fifo").c_str(), 0600) == 0);
  REQUIRE(root->make_directory("folder").ok());
  check_error(root->open_file("fifo", Mode::kRead), Code::kForbidden, "not a regular file");
  check_error(root->open_file("folder", Mode::kRead), Code::kForbidden, "not a regular file");
  CHECK(root->open_file("folder", Mode::kReadWrite).error().code == Code::kForbidden);
}

TEST_CASE("directory: list is sorted and complete, twice, and renames replace") {
  const TempDirectory temp;
  const auto root = opened(temp);
  for (const char* name : {"b", "c", "a"}) REQUIRE(root->open_file(name, Mode::kCreate).ok());
  REQUIRE(root->make_directory("d").ok());
  REQUIRE(root->open_file("c", Mode::kReadWrite).value()->write_at(0, as_bytes("xyz")).ok());
  for (int i = 0; i < 2; ++i) {
    const auto entries = root->list();
    REQUIRE(entries.ok());
    REQUIRE(entries->size() == 4);
    CHECK((*entries)[0].name == "a");
    CHECK((*entries)[2].size == 3);
    CHECK((*entries)[3].kind == EntryKind::kDirectory);
  }
  REQUIRE(root->rename("c", "a").ok());
  CHECK(root->stat("a").value()->size == 3);
  check_error(root->rename("c", "a"), Code::kNotFound, temp / "c");
  REQUIRE(root->unlink("a").ok());
  check_error(root->unlink("a"), Code::kNotFound, temp / "a");
  CHECK_FALSE(root->unlink("d").ok());
  REQUIRE(root->sync().ok());
}

TEST_CASE("directory: create makes it once with its permissions, also with slashes at the end") {
  const TempDirectory temp;
  REQUIRE(create_directory(temp / "keys//", 0700).ok());
  struct stat status {};
  REQUIRE(::stat((temp / "keys").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  const auto again = create_directory(temp / "keys", 0750);
  REQUIRE(again.ok());
  CHECK((*again)->path() == temp / "keys");
  check_error(create_directory(temp / "no/such", 0700), Code::kNotFound, temp / "no/such");
  check_error(open_directory(temp / "absent"), Code::kNotFound, temp / "absent");
}

TEST_CASE("directory: without the right to write it is kForbidden") {
  if (::geteuid() == 0) SKIP("root may write everywhere: run as another user to see this one");
  const TempDirectory temp;
  std::filesystem::permissions(temp.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  check_error(opened(temp)->open_file("a", Mode::kCreate), Code::kForbidden, temp / "a");
  std::filesystem::permissions(temp.path(), std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace khipu::os
