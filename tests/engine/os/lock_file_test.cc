#include "engine/os/lock_file.h"
#include "engine/os/head_lock.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tests/support/catch.h"
#include "tests/support/fake_disk.h"
#include "tests/support/temp_directory.h"

namespace khipu::os {
namespace {

constexpr TimeUs kNow = 1781500027000000;

// Another process: runs `work`, says with one letter how it went, then waits to be killed.
class Child {
 public:
  explicit Child(const std::function<char()>& work) {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      const char answer = work();
      if (::write(pipe[1], &answer, 1) == 1) ::pause();
      ::_exit(0);
    }
    ::close(pipe[1]);
    CHECK(::read(pipe[0], &answer_, 1) == 1);
    ::close(pipe[0]);
  }
  ~Child() { kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  char answer() const { return answer_; }
  pid_t pid() const { return pid_; }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  char answer_ = '?';
};

// 'y' when the lock is held until the child dies, 'l' when it was refused as locked, 'n' for any other failure.
char take_lock(const std::string& path) {
  auto root = open_directory(path);
  if (!root.ok()) return 'n';
  auto lock = RootLock::acquire(**root, "serve", kNow);
  if (!lock.ok()) return lock.error().code == Code::kLocked ? 'l' : 'n';
  static std::optional<RootLock> kept;
  kept.emplace(std::move(lock).value());
  return 'y';
}

TEST_CASE("LOCK: a second process is refused at once and told who holds it, a killed holder leaves it free") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  Child writer([&] { return take_lock(temp.path()); });
  REQUIRE(writer.answer() == 'y');
  const auto refused = RootLock::acquire(*root, "import", kNow);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kLocked);
  CHECK_THAT(refused.error().message, ContainsSubstring("pid=" + std::to_string(writer.pid()) + " "));
  CHECK_THAT(refused.error().message, ContainsSubstring("role=serve"));
  CHECK_THAT(refused.error().message, ContainsSubstring("since=2026-06-15T05:07:07.000000Z"));
  CHECK(Child([&] { return take_lock(temp.path()); }).answer() == 'l');
  CHECK(lock_holder(*root)->held);
  writer.kill();
  CHECK_FALSE(lock_holder(*root)->held);
  CHECK(RootLock::acquire(*root, "import", kNow).ok());
}

TEST_CASE("LOCK: who may not open it asks the same byte of HEAD") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  REQUIRE(root->open_file("HEAD", Mode::kCreate, 0644).ok());
  REQUIRE(root->open_file("LOCK", Mode::kCreate, 0600).value()->write_at(0, as_bytes(std::string_view("pid=1"))).ok());
  REQUIRE(::chmod(temp.path().c_str(), 0755) == 0);
  // 'h' held, 'f' free, as somebody who owns neither file sees it.
  const auto seen = [&] {
    return Child([&] {
             if (::geteuid() == 0 && (::setegid(65534) != 0 || ::seteuid(65534) != 0)) return 'n';
             if (::geteuid() != 65534 && ::chmod((temp / "LOCK").c_str(), 0) != 0) return 'n';
             const auto folder = open_directory(temp.path());
             if (!folder.ok() || (*folder)->open_file("LOCK", Mode::kRead).ok()) return 'n';
             const auto holder = lock_holder(**folder);
             if (!holder.ok() || !holder->diagnostics.empty()) return 'e';
             return holder->held ? 'h' : 'f';
           })
        .answer();
  };
  CHECK(seen() == 'f');
  {
    const auto head = root->open_file("HEAD", Mode::kReadWrite).value();
    REQUIRE(head->try_lock(96, 1, LockKind::kExclusive).value());
    CHECK(seen() == 'h');
  }
  {
    // Anybody who may read HEAD can do this, and is no writer by it.
    const auto head = root->open_file("HEAD", Mode::kRead).value();
    REQUIRE(head->try_lock(96, 2, LockKind::kShared).value());
    CHECK(seen() == 'f');
    CHECK_FALSE(head_kept(*root).value());
  }
  CHECK(seen() == 'f');
  std::filesystem::remove(temp / "HEAD");
  CHECK(seen() == 'e');
}

TEST_CASE("LOCK: a second opener in the same process is refused, and closing other descriptors drops nothing") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  auto lock = RootLock::acquire(*root, "serve", kNow);
  REQUIRE(lock.ok());
  CHECK(RootLock::acquire(*root, "serve", kNow).error().code == Code::kLocked);
  // With the older fcntl locks this close would have dropped the lock of the whole process.
  CHECK(root->open_file("LOCK", Mode::kReadWrite).ok());
  CHECK(lock_holder(*root)->held);
  CHECK(Child([&] { return take_lock(temp.path()); }).answer() == 'l');
}

TEST_CASE("LOCK: a child forked by the holder does not set it free by exiting") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  auto lock = RootLock::acquire(*root, "serve", kNow);
  REQUIRE(lock.ok());
  Child([] { return 'y'; }).kill();
  CHECK(lock_holder(*root)->held);
}

TEST_CASE("LOCK: what an earlier holder wrote, or anybody, means nothing and is shown as plain text") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  CHECK(lock_holder(*root)->diagnostics.empty());
  const std::string hostile = "pid=1 \x1b[31m\nrole=serve\xff" + std::string(200, 'A');
  REQUIRE(root->open_file("LOCK", Mode::kCreate).value()->write_at(0, as_bytes(hostile)).ok());
  const auto stale = lock_holder(*root);
  CHECK_FALSE(stale->held);
  CHECK(stale->diagnostics.substr(0, 24) == "pid=1 ?[31m?role=serve?A");
  CHECK(stale->diagnostics.size() == 96);
  auto lock = RootLock::acquire(*root, "serve", kNow);
  REQUIRE(lock.ok());
  CHECK_THAT(lock_holder(*root)->diagnostics, ContainsSubstring("role=serve host="));
  CHECK(lock_holder(*root)->diagnostics.find('A') == std::string::npos);
  struct stat status {};
  REQUIRE(::stat((temp / "LOCK").c_str(), &status) == 0);
  CHECK(static_cast<size_t>(status.st_size) == hostile.size());  // only bytes 0 to 95 are written, nothing is cut
}

TEST_CASE("LOCK: asking who holds it never turns a writer away") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  REQUIRE(root->open_file("LOCK", Mode::kCreate, 0600).ok());
  const auto asking = root->open_file("LOCK", Mode::kRead).value();
  CHECK_FALSE(asking->lock_refused(96, 1, LockKind::kExclusive).value());
  CHECK(RootLock::acquire(*root, "serve", kNow).ok());
}

TEST_CASE("READERS: many readers share a slot, slots are apart, and the file is made once") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  REQUIRE(create_reader_slots(*root).ok());
  REQUIRE(create_reader_slots(*root).ok());
  CHECK(root->stat("READERS").value()->size == 128);
  CHECK_FALSE(reader_slot_held(*root, Epoch{5}).value());
  std::vector<ReaderSlot> readers;
  for (int i = 0; i < 100; ++i) {
    auto slot = ReaderSlot::acquire(*root, Epoch{5});
    REQUIRE(slot.ok());
    readers.push_back(std::move(slot).value());
  }
  CHECK(reader_slot_held(*root, Epoch{5}).value());
  CHECK(reader_slot_held(*root, Epoch{5 + 31}).value());
  CHECK_FALSE(reader_slot_held(*root, Epoch{4}).value());
  CHECK_FALSE(reader_slot_held(*root, Epoch{6}).value());
  CHECK(reader_slot_held(*root, Epoch{5}).value());  // the question itself dropped nothing
  while (readers.size() > 1) readers.pop_back();
  CHECK(reader_slot_held(*root, Epoch{5}).value());
  readers.clear();
  CHECK_FALSE(reader_slot_held(*root, Epoch{5}).value());
}

TEST_CASE("READERS: the slot of a reader that was killed is free") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  REQUIRE(create_reader_slots(*root).ok());
  Child reader([&] {
    static std::optional<ReaderSlot> kept;
    auto slot = ReaderSlot::acquire(*open_directory(temp.path()).value(), Epoch{30});
    if (slot.ok()) kept.emplace(std::move(slot).value());
    return slot.ok() ? 'y' : 'n';
  });
  REQUIRE(reader.answer() == 'y');
  CHECK(reader_slot_held(*root, Epoch{30}).value());
  reader.kill();
  CHECK_FALSE(reader_slot_held(*root, Epoch{30}).value());
}

TEST_CASE("READERS: a slot that somebody holds exclusively is kBusy, and a reader cannot take it so") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  CHECK(ReaderSlot::acquire(*root, Epoch{0}).error().code == Code::kNotFound);
  REQUIRE(create_reader_slots(*root).ok());
  const auto reader = root->open_file("READERS", Mode::kRead).value();
  CHECK_FALSE(reader->try_lock(97, 1, LockKind::kExclusive).ok());
  const auto writer = root->open_file("READERS", Mode::kReadWrite).value();
  REQUIRE(writer->try_lock(97, 1, LockKind::kExclusive).value());
  CHECK(ReaderSlot::acquire(*root, Epoch{31}).error().code == Code::kBusy);
  CHECK(ReaderSlot::acquire(*root, Epoch{1}).ok());
}

TEST_CASE("LOCK: removed or replaced under its holder, HEAD still tells that there is one") {
  const tests::TempDirectory temp;
  const auto root = open_directory(temp.path()).value();
  const auto head = root->open_file("HEAD", Mode::kCreate, 0644).value();
  auto lock = RootLock::acquire(*root, "serve", kNow);
  REQUIRE(lock.ok());
  REQUIRE(head->try_lock(kHeadLockOffset, 1, LockKind::kExclusive).value());
  CHECK_FALSE(lock_holder(*root)->diagnostics.empty());
  REQUIRE(root->unlink("LOCK").ok());
  CHECK(lock_holder(*root)->held);
  REQUIRE(root->open_file("LOCK", Mode::kCreate, 0600).value()->write_at(0, as_bytes(std::string_view("pid=1"))).ok());
  CHECK(lock_holder(*root)->held);
  CHECK(lock_holder(*root)->diagnostics.empty());
  REQUIRE(head->unlock(kHeadLockOffset, 1).ok());
  CHECK_FALSE(lock_holder(*root)->held);
  CHECK_FALSE(head_kept(*root).value());
  REQUIRE(head->try_lock(kHeadKeptOffset, 1, LockKind::kExclusive).value());
  CHECK(head_kept(*root).value());
  CHECK_FALSE(lock_holder(*root)->held);
}

TEST_CASE("locks: the fake disk gives the same answers") {
  tests::FakeDisk disk;
  auto root = disk.directory("root");
  REQUIRE(create_reader_slots(*root).ok());
  auto slot = ReaderSlot::acquire(*root, Epoch{2});
  CHECK(reader_slot_held(*root, Epoch{33}).value());
  auto lock = RootLock::acquire(*root, "serve", kNow);
  REQUIRE(lock.ok());
  CHECK(RootLock::acquire(*root, "serve", kNow).error().code == Code::kLocked);
  CHECK(lock_holder(*root)->held);
  disk.crash_process();
  root = disk.directory("root");
  CHECK_FALSE(lock_holder(*root)->held);
  CHECK_FALSE(reader_slot_held(*root, Epoch{2}).value());
  CHECK(RootLock::acquire(*root, "serve", kNow).ok());
}

}  // namespace
}  // namespace khipu::os
