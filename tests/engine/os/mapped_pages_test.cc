#include "engine/os/mapped_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "engine/os/file.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"
#include "tests/support/thorough.h"

namespace khipu::os {
namespace {

using tests::TempDirectory;

const size_t kPage = static_cast<size_t>(::sysconf(_SC_PAGESIZE));

struct Mapped {
  TempDirectory temp;
  std::unique_ptr<File> file;
  std::unique_ptr<Mapping> mapping;
  explicit Mapped(size_t pages) {
    const auto root = open_directory(temp.path()).value();
    file = root->open_file("a", Mode::kCreateNew).value();
    REQUIRE(file->write_at(0, Buffer(pages * kPage, 'x')).ok());
    mapping = file->map(pages * kPage).value();
  }
  bool all(size_t page, uint8_t byte) const {
    const Bytes bytes = mapping->bytes().subspan(page * kPage, kPage);
    return std::all_of(bytes.begin(), bytes.end(), [&](uint8_t one) { return one == byte; });
  }
};

TEST_CASE("mapping: pages of a file that was cut short read as zeroes, and the mapping says so") {
  const Mapped mapped(4);
  CHECK(mapped.all(3, 'x'));
  CHECK_FALSE(mapped.mapping->lost_pages());
  REQUIRE(mapped.file->truncate(kPage).ok());
  CHECK_FALSE(mapped.mapping->lost_pages());
  CHECK(mapped.all(2, 0));
  CHECK(mapped.mapping->lost_pages());
  CHECK(mapped.all(0, 'x'));
  REQUIRE(mapped.file->write_at(0, Buffer(4 * kPage, 'y')).ok());
  CHECK(mapped.all(0, 'y'));
  CHECK(mapped.all(2, 0));    // for as long as this mapping lives
  CHECK(mapped.all(3, 'y'));  // it was not touched
  const auto again = mapped.file->map(4 * kPage).value();
  CHECK(again->bytes()[2 * kPage] == 'y');
  CHECK_FALSE(again->lost_pages());
}

TEST_CASE("mapping: many at once, more than one block of the table, each lose their own pages only") {
  std::vector<std::unique_ptr<Mapping>> sound;
  const Mapped cut(2);
  const Mapped whole(1);
  for (int i = 0; i < 600; ++i) sound.push_back(whole.file->map(kPage).value());
  const auto late = cut.file->map(2 * kPage).value();
  REQUIRE(cut.file->truncate(0).ok());
  CHECK(late->bytes()[kPage] == 0);
  CHECK(late->lost_pages());
  CHECK_FALSE(cut.mapping->lost_pages());
  for (const auto& one : sound) {
    CHECK(one->bytes()[0] == 'x');
    CHECK_FALSE(one->lost_pages());
  }
}

TEST_CASE("mapping: threads that read while the file is cut short, and others map and unmap, all go on") {
  const Mapped mapped(64);
  std::atomic<bool> ended{false};
  std::vector<std::thread> others;
  const Mapped busy(1);
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&] {
      while (!ended) (void)busy.file->map(kPage);
    });
  }
  std::atomic<int> zeroes{0};
  std::vector<std::thread> readers;
  REQUIRE(mapped.file->truncate(0).ok());
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      for (size_t page = 0; page < 64; ++page) zeroes += mapped.all(page, 0) ? 1 : 0;
    });
  }
  for (std::thread& one : readers) one.join();
  ended = true;
  for (std::thread& one : others) one.join();
  CHECK(zeroes == 3 * 64);
  CHECK(mapped.mapping->lost_pages());
}

TEST_CASE("mapping: a bus error in memory that is no Mapping still ends the process") {
  const Mapped guarded(1);
  const TempDirectory temp;
  const std::string path = temp / "b";
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
    if (file < 0 || ::ftruncate(file, static_cast<off_t>(kPage)) != 0) ::_exit(102);
    auto* const bytes = static_cast<volatile uint8_t*>(::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, file, 0));
    if (::ftruncate(file, 0) != 0) ::_exit(103);
    ::_exit(bytes[0] == 0 ? 100 : 101);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  // A sanitizer's own handler, which was there before, ends it with an exit code of its own: not one of those above.
  const int code = WIFSIGNALED(status) ? 0 : WEXITSTATUS(status);
  const bool by_sanitizer = tests::kSanitized && (code == 1 || code == 66);  // ASan's, TSan's
  CHECK((WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS : by_sanitizer));
}

}  // namespace
}  // namespace khipu::os
