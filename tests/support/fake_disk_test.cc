// The fake disk judges the writer, so it is judged first. Here: the visible side, faults, log and locks; what a power
// loss leaves is fake_power_loss_test.cc.
#include "tests/support/fake_disk.h"

#include <thread>

#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_random.h"

namespace khipu::tests {
namespace {

using os::LockKind;
using os::Mode;

std::string text_of(const Buffer& bytes) { return std::string(as_text(bytes)); }

TEST_CASE("fake disk: files and directories behave as on a disk") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  auto file = root->open_file("a", Mode::kCreateNew);
  REQUIRE(file.ok());
  REQUIRE((*file)->write_at(3, as_bytes("def")).ok());
  CHECK((*file)->size().value() == 6);
  CHECK((*file)->read_all(10).value() == Buffer{0, 0, 0, 'd', 'e', 'f'});
  CHECK((*file)->read_all(5).error().code == Code::kLimit);
  REQUIRE((*file)->truncate(4).ok());
  REQUIRE((*file)->truncate(6).ok());
  CHECK((*file)->read_all(10).value() == Buffer{0, 0, 0, 'd', 0, 0});
  CHECK((*file)->map(6).value()->bytes().size() == 6);
  CHECK((*file)->map(7).error().code == Code::kCorrupt);

  CHECK(root->open_file("a", Mode::kCreateNew).error().code == Code::kConflict);
  CHECK(root->open_file("b", Mode::kRead).error().code == Code::kNotFound);
  CHECK(root->open_file("..", Mode::kRead).error().code == Code::kInvalid);
  CHECK((*root->open_file("a", Mode::kRead))->write_at(0, as_bytes("x")).error().code == Code::kIo);

  REQUIRE(root->make_directory("logs").ok());
  REQUIRE(root->make_directory("logs").ok());
  CHECK(root->make_directory("a").error().code == Code::kConflict);
  const auto logs = root->open_directory("logs");
  REQUIRE(logs.ok());
  CHECK((*logs)->path() == "root/logs");
  REQUIRE(root->replace_file("a", as_bytes("new")).ok());
  const auto entries = root->list();
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 2);
  CHECK((*entries)[0].name == "a");
  CHECK((*entries)[0].size == 3);
  CHECK((*entries)[1].kind == os::EntryKind::kDirectory);
  REQUIRE(root->unlink("a").ok());
  CHECK(root->unlink("a").error().code == Code::kNotFound);
  CHECK_FALSE(root->stat("a")->has_value());
  disk.put_other("root/link");
  CHECK(root->open_file("link", Mode::kRead).error().code == Code::kForbidden);
  CHECK(root->open_directory("link").error().code == Code::kForbidden);
}

TEST_CASE("fake disk: the Nth operation fails, and the ones around it do not") {
  for (uint64_t n = 1; n <= 5; ++n) {
    FakeDisk disk;
    const auto root = disk.directory("root");
    disk.fail_nth(n, Code::kNoSpace);
    std::vector<bool> failed;
    const auto file = root->open_file("a", Mode::kCreate);
    failed.push_back(!file.ok());
    if (file.ok()) {
      failed.push_back(!(*file)->write_at(0, as_bytes("abcd")).ok());
      failed.push_back(!(*file)->sync_data().ok());
      failed.push_back(!root->rename("a", "b").ok());
      failed.push_back(!root->sync().ok());
    }
    for (size_t i = 0; i < failed.size(); ++i) CHECK(failed[i] == (i + 1 == n));
  }
}

TEST_CASE("fake disk: a failed write may have put half of its bytes there") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  const auto file = root->open_file("a", Mode::kCreate);
  disk.fail_nth(1, Code::kNoSpace, Part::kHalf);
  CHECK((*file)->write_at(0, as_bytes("abcd")).error().code == Code::kNoSpace);
  CHECK(text_of(disk.read("root/a")) == "ab");
  disk.fail_nth(1, Code::kNoSpace);
  CHECK_FALSE((*file)->write_at(0, as_bytes("wxyz")).ok());
  CHECK(text_of(disk.read("root/a")) == "ab");
}

TEST_CASE("fake disk: a full disk stays full until the faults are cleared, and a fault can wait for a file") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  const auto file = root->open_file("a", Mode::kCreate);
  disk.fail_from_nth(1, Code::kNoSpace);
  CHECK_FALSE((*file)->write_at(0, as_bytes("x")).ok());
  CHECK_FALSE((*file)->write_at(0, as_bytes("x")).ok());
  disk.clear_faults();
  CHECK((*file)->write_at(0, as_bytes("x")).ok());
  disk.fail_when([](const DiskEvent& event) { return event.operation == DiskOperation::kSync; }, Code::kIo);
  CHECK((*file)->write_at(0, as_bytes("y")).ok());
  CHECK_FALSE((*file)->sync().ok());
  CHECK((*file)->sync().ok());
}

TEST_CASE("fake disk: after a planned crash everything is kIo, also reads, and the next process sees the cache") {
  FakeDisk disk;
  auto root = disk.directory("root");
  auto file = root->open_file("a", Mode::kCreate);
  disk.crash_after_nth(1);
  CHECK((*file)->write_at(0, as_bytes("x")).ok());
  CHECK(disk.crashed());
  CHECK((*file)->write_at(1, as_bytes("y")).error().code == Code::kIo);
  CHECK((*file)->size().error().code == Code::kIo);
  CHECK(root->list().error().code == Code::kIo);
  disk.crash_process();
  CHECK_FALSE(disk.crashed());
  CHECK((*file)->size().error().code == Code::kIo);
  root = disk.directory("root");
  file = root->open_file("a", Mode::kReadWrite);
  CHECK(text_of((*file)->read_all(9).value()) == "x");
  disk.crash_in_nth(1);
  CHECK((*file)->write_at(0, as_bytes("abcd")).error().code == Code::kIo);
  disk.crash_process();
  CHECK(text_of(disk.read("root/a")) == "ab");
}

TEST_CASE("fake disk: locks belong to the open file, conflict as OFD locks do and end with the handle or the process") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  auto one = root->open_file("L", Mode::kCreate).value();
  auto two = root->open_file("L", Mode::kReadWrite).value();
  const auto reader = root->open_file("L", Mode::kRead).value();
  CHECK(one->try_lock(96, 1, LockKind::kExclusive).value());
  CHECK(one->try_lock(96, 1, LockKind::kExclusive).value());  // one's own lock is no obstacle
  CHECK_FALSE(two->try_lock(96, 1, LockKind::kExclusive).value());
  CHECK_FALSE(reader->try_lock(96, 1, LockKind::kShared).value());
  CHECK(reader->lock_refused(96, 1, LockKind::kShared).value());
  CHECK_FALSE(one->lock_refused(96, 1, LockKind::kExclusive).value());
  CHECK(two->try_lock(97, 1, LockKind::kExclusive).value());        // another byte
  CHECK_FALSE(reader->try_lock(98, 1, LockKind::kExclusive).ok());  // as EBADF: not open for writing

  CHECK(one->try_lock(96, 1, LockKind::kShared).value());  // downgraded
  CHECK(reader->try_lock(96, 1, LockKind::kShared).value());
  CHECK_FALSE(one->try_lock(96, 1, LockKind::kExclusive).value());
  REQUIRE(reader->unlock(96, 1).ok());
  CHECK(one->try_lock(96, 1, LockKind::kExclusive).value());
  one.reset();
  CHECK(two->try_lock(96, 1, LockKind::kExclusive).value());
  disk.crash_process();
  const auto next = disk.directory("root")->open_file("L", Mode::kReadWrite).value();
  CHECK(next->try_lock(90, 20, LockKind::kExclusive).value());
  REQUIRE(next->unlock(95, 2).ok());  // the middle: two pieces are left
  const auto other = disk.directory("root")->open_file("L", Mode::kReadWrite).value();
  CHECK(other->try_lock(95, 2, LockKind::kExclusive).value());
  CHECK_FALSE(other->try_lock(94, 1, LockKind::kExclusive).value());
  CHECK_FALSE(other->try_lock(97, 1, LockKind::kExclusive).value());
}

TEST_CASE("fake disk: the log tells the order of operations") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  REQUIRE(root->replace_file("state", as_bytes("abc")).ok());
  CHECK(disk.log_text() == std::vector<std::string>{"create root/state.new", "write root/state.new 0+3",
                                                    "sync root/state.new", "rename root/state.new state",
                                                    "sync_directory root"});
  CHECK(disk.operations() == 5);
}

TEST_CASE("fake disk: a clone goes its own way") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  const auto file = root->open_file("a", Mode::kCreate).value();
  REQUIRE(file->write_at(0, as_bytes("one")).ok());
  const auto branch = disk.clone();
  REQUIRE(file->write_at(0, as_bytes("two")).ok());
  CHECK(text_of(branch->read("root/a")) == "one");
  const auto there = branch->directory("root")->open_file("a", Mode::kReadWrite).value();
  REQUIRE(there->write_at(0, as_bytes("six")).ok());
  CHECK(text_of(disk.read("root/a")) == "two");
  // What is undecided is undecided in the clone as well: the name may go.
  CHECK(branch->unsynced() == std::vector<std::string>{"root", "root/a"});
}

TEST_CASE("fake disk: attacks reach the disk itself") {
  FakeDisk disk;
  disk.directory("root");
  disk.put("root/a", as_bytes("abc"));
  disk.flip_bit("root/a", 1, 0);
  disk.move("root/a", "root/b");
  CHECK(disk.files() == std::vector<std::string>{"root/b"});
  CHECK(disk.unsynced().empty());
  disk.power_loss(7);
  CHECK(text_of(disk.read("root/b")) == "acc");
  disk.remove("root/b");
  CHECK_FALSE(disk.exists("root/b"));
}

TEST_CASE("fake disk: two threads may write and sync one file") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  const auto file = root->open_file("a", Mode::kCreate).value();
  bool written = true;
  bool synced = true;
  std::thread writer([&] {
    for (uint64_t i = 0; i < 200; ++i) written = file->write_at(i * 100, Buffer(100, 1)).ok() && written;
  });
  std::thread syncer([&] {
    for (int i = 0; i < 200; ++i) synced = file->sync_data().ok() && synced;
  });
  writer.join();
  syncer.join();
  CHECK(written);
  CHECK(synced);
  CHECK(disk.read("root/a").size() == 20000);
}

TEST_CASE("fake clock and fake random: still until moved, and the same in every run") {
  FakeClock clock(1000);
  const int64_t boot = clock.boot_us();
  clock.advance_us(5);
  clock.set_wall(7);
  CHECK(clock.now() == 7);
  CHECK(clock.boot_us() == boot + 5);
  Buffer one(16), two(16), three(16);
  FakeRandom(3).fill(one);
  FakeRandom(3).fill(two);
  FakeRandom(4).fill(three);
  CHECK(one == two);
  CHECK(one != three);
}

}  // namespace
}  // namespace khipu::tests
