// What a power loss leaves on the fake disk, against the storage rules of the commit model: every outcome is enumerated
// and compared with the set that the rules allow.
#include <functional>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/fake_disk.h"

namespace khipu::tests {
namespace {

using os::Mode;

// All that can be left of `path`; "(gone)" when its name is.
std::set<std::string> outcomes(const FakeDisk& disk, const std::string& path) {
  std::set<std::string> found;
  EveryChoice every;
  do {
    const auto branch = disk.clone();
    branch->power_loss(every);
    found.insert(branch->exists(path) ? std::string(as_text(branch->read(path))) : "(gone)");
    CHECK(branch->unsynced().empty());
  } while (every.next());
  return found;
}

std::unique_ptr<os::File> durable_file(FakeDisk& disk, std::string_view content) {
  const auto root = disk.directory("root");
  disk.put("root/a", as_bytes(content));
  return root->open_file("a", Mode::kReadWrite).value();
}

Buffer sector_of(char letter) { return Buffer(512, static_cast<uint8_t>(letter)); }

// "AB-" for sectors: a letter for a whole one, '#' for a torn one, '-' for zeroes.
std::string sectors(const Buffer& content) {
  std::string text;
  for (size_t at = 0; at < content.size(); at += 512) {
    const Bytes sector = Bytes(content).subspan(at, std::min<size_t>(512, content.size() - at));
    const bool whole = std::all_of(sector.begin(), sector.end(), [&](uint8_t byte) { return byte == sector[0]; });
    text += !whole ? '#' : sector[0] == 0 ? '-' : static_cast<char>(sector[0]);
  }
  return text;
}

std::set<std::string> sector_outcomes(const FakeDisk& disk, const std::string& path) {
  std::set<std::string> found;
  EveryChoice every;
  do {
    const auto branch = disk.clone();
    branch->power_loss(every);
    found.insert(branch->exists(path) ? sectors(branch->read(path)) : "(gone)");
  } while (every.next());
  return found;
}

TEST_CASE("power loss: an unsynced write stays, is lost or is torn, bytes that did not change never do") {
  FakeDisk disk;
  const auto file = durable_file(disk, "keep:old:keep");
  REQUIRE(file->write_at(5, as_bytes("new")).ok());
  const auto found = outcomes(disk, "root/a");
  CHECK(found.count("keep:old:keep") == 1);
  CHECK(found.count("keep:new:keep") == 1);
  CHECK(found.size() == 3);
  for (const std::string& left : found) {
    CHECK(left.substr(0, 5) == "keep:");
    CHECK(left.substr(8) == ":keep");
  }
  REQUIRE(file->sync_data().ok());
  CHECK(outcomes(disk, "root/a") == std::set<std::string>{"keep:new:keep"});
}

TEST_CASE("power loss: sectors of one write go their own ways") {
  FakeDisk disk;
  const auto file = durable_file(disk, "");
  Buffer old = sector_of('a');
  append(old, sector_of('b'));
  disk.put("root/a", old);
  Buffer fresh = sector_of('X');
  append(fresh, sector_of('Y'));
  REQUIRE(file->write_at(0, fresh).ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"ab", "aY", "a#", "Xb", "XY", "X#", "#b", "#Y", "##"});
}

TEST_CASE("power loss: any version since the last sync may be the one that is left") {
  FakeDisk disk;
  const auto file = durable_file(disk, "");
  disk.put("root/a", sector_of('a'));
  REQUIRE(file->write_at(0, sector_of('b')).ok());
  REQUIRE(file->write_at(0, sector_of('c')).ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"a", "b", "c", "#"});
}

TEST_CASE("power loss: size and content are independent, and a sync makes the size durable too") {
  FakeDisk disk;
  const auto file = durable_file(disk, "");
  REQUIRE(file->write_at(0, sector_of('a')).ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"", "-", "a", "#"});
  REQUIRE(file->sync_data().ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"a"});
}

TEST_CASE("power loss: a cut may be undone, in part, but does not tear") {
  FakeDisk disk;
  const auto file = durable_file(disk, "");
  Buffer old = sector_of('a');
  append(old, sector_of('b'));
  disk.put("root/a", old);
  REQUIRE(file->truncate(512).ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"ab", "a-", "a"});
  REQUIRE(file->write_at(512, sector_of('c')).ok());  // the next life writes other bytes at the same place
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"a", "ab", "a-", "ac", "a#"});
  REQUIRE(file->sync().ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"ac"});
}

TEST_CASE("power loss: a failed sync leaves all possible, and a later sync says yes and does nothing (Linux)") {
  FakeDisk disk;
  const auto file = durable_file(disk, "");
  disk.put("root/a", sector_of('a'));
  REQUIRE(file->write_at(0, sector_of('b')).ok());
  disk.fail_nth(1, Code::kIo);
  CHECK_FALSE(file->sync_data().ok());
  REQUIRE(file->sync_data().ok());
  REQUIRE(file->sync().ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"a", "b", "#"});
  // Rule recovery-rewrites: the same bytes again, and the sync counts.
  REQUIRE(file->write_at(0, sector_of('b')).ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"a", "b", "#"});
  REQUIRE(file->sync_data().ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"b"});
}

TEST_CASE("power loss: after a failed sync the size comes back with the bytes that are written again") {
  FakeDisk disk;
  const auto file = durable_file(disk, "");
  Buffer bytes = sector_of('a');
  append(bytes, sector_of('b'));
  REQUIRE(file->write_at(0, bytes).ok());
  disk.fail_nth(1, Code::kIo);
  CHECK_FALSE(file->sync_data().ok());
  REQUIRE(file->write_at(0, sector_of('a')).ok());
  REQUIRE(file->sync_data().ok());
  CHECK(sector_outcomes(disk, "root/a") == std::set<std::string>{"a", "a-", "ab", "a#"});
}

TEST_CASE("power loss: equal bytes written again do not tear and change nothing") {
  FakeDisk disk;
  const auto file = durable_file(disk, "same");
  REQUIRE(file->write_at(0, as_bytes("same")).ok());
  CHECK(disk.unsynced().empty());
  CHECK(outcomes(disk, "root/a") == std::set<std::string>{"same"});
}

TEST_CASE("power loss: a new name is durable only after the sync of its directory, whatever the file synced") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  const auto file = root->open_file("a", Mode::kCreateNew).value();
  REQUIRE(file->write_at(0, as_bytes("x")).ok());
  REQUIRE(file->sync().ok());
  CHECK(outcomes(disk, "root/a") == std::set<std::string>{"(gone)", "x"});
  REQUIRE(root->sync().ok());
  CHECK(outcomes(disk, "root/a") == std::set<std::string>{"x"});
  REQUIRE(root->unlink("a").ok());
  CHECK(outcomes(disk, "root/a") == std::set<std::string>{"(gone)", "x"});
  REQUIRE(root->sync().ok());
  CHECK(outcomes(disk, "root/a") == std::set<std::string>{"(gone)"});
}

TEST_CASE("power loss: a directory's name belongs to its parent's sync") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  REQUIRE(root->make_directory("logs").ok());
  const auto logs = root->open_directory("logs").value();
  REQUIRE(logs->replace_file("a", as_bytes("x")).ok());
  CHECK(outcomes(disk, "root/logs/a") == std::set<std::string>{"(gone)", "x"});
  REQUIRE(root->sync().ok());
  CHECK(outcomes(disk, "root/logs/a") == std::set<std::string>{"x"});
}

TEST_CASE("power loss: a replaced file is the old or the new one at every step, never a mix") {
  for (uint64_t stop = 1; stop <= 5; ++stop) {
    FakeDisk disk;
    const auto root = disk.directory("root");
    disk.put("root/state", as_bytes("old"));
    disk.crash_after_nth(stop);
    CHECK(root->replace_file("state", as_bytes("brand new")).ok() == (stop == 5));
    const auto found = outcomes(disk, "root/state");
    INFO("stopped after operation " << stop);
    for (const std::string& left : found) CHECK((left == "old" || left == "brand new"));
    if (stop <= 3) CHECK(found == std::set<std::string>{"old"});
    if (stop == 5) CHECK(found == std::set<std::string>{"brand new"});
  }
}

TEST_CASE("power loss: without the sync before the rename the new name may hold anything") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  disk.put("root/state", as_bytes("old"));
  {
    const auto file = root->open_file("state.new", Mode::kCreateNew).value();
    REQUIRE(file->write_at(0, as_bytes("new")).ok());
  }
  REQUIRE(root->rename("state.new", "state").ok());
  REQUIRE(root->sync().ok());
  const auto found = outcomes(disk, "root/state");
  CHECK(found.count("") == 1);
  CHECK(found.count("old") == 0);
}

TEST_CASE("power loss: a failed sync of a directory is not made good by the next one") {
  FakeDisk disk;
  const auto root = disk.directory("root");
  disk.put("root/a", as_bytes("x"));
  REQUIRE(root->unlink("a").ok());
  disk.fail_nth(1, Code::kIo);
  CHECK_FALSE(root->sync().ok());
  REQUIRE(root->sync().ok());
  CHECK(outcomes(disk, "root/a") == std::set<std::string>{"(gone)", "x"});
  REQUIRE(root->open_file("a", Mode::kCreateNew).value()->sync().ok());
  REQUIRE(root->sync().ok());  // a change made after the failure is covered, and decides the name
  CHECK(outcomes(disk, "root/a") == std::set<std::string>{""});
}

TEST_CASE("power loss: handles die, locks go, and preallocated blocks leave no length") {
  FakeDisk disk;
  const auto file = durable_file(disk, "x");
  REQUIRE(file->preallocate(0, 4096).ok());
  CHECK(file->size().value() == 1);
  REQUIRE(file->try_lock(0, 1, os::LockKind::kExclusive).value());
  disk.power_loss(1);
  CHECK(file->read_all(9).error().code == Code::kIo);
  const auto again = disk.directory("root")->open_file("a", Mode::kReadWrite).value();
  CHECK(again->try_lock(0, 1, os::LockKind::kExclusive).value());
  CHECK(disk.read("root/a") == Buffer{'x'});
}

TEST_CASE("power loss: the same seed leaves the same bytes, and seeds reach all, nothing and something between") {
  const auto left = [](uint64_t seed) {
    FakeDisk disk;
    const auto root = disk.directory("root");
    disk.put("root/a", Buffer(512 * 40, 'o'));
    const auto file = root->open_file("a", Mode::kReadWrite).value();
    REQUIRE(file->write_at(0, Buffer(512 * 40, 'n')).ok());
    disk.power_loss(seed);
    return sectors(disk.read("root/a"));
  };
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    CHECK(left(seed) == left(seed));
    seen.insert(left(seed));
  }
  CHECK(seen.count(std::string(40, 'o')) == 1);
  CHECK(std::any_of(seen.begin(), seen.end(), [](const std::string& text) {
    return text.find('o') == std::string::npos && text.find('n') != std::string::npos;
  }));
  CHECK(seen.size() > 30);
}

}  // namespace
}  // namespace khipu::tests
