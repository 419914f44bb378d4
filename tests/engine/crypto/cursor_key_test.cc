#include "engine/crypto/cursor_key.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

namespace khipu::crypto {
namespace {

TEST_CASE("cursor key: it is made once in the state folder, and an own one of ROOT.keys or of a file goes before it") {
  tests::TempDirectory folder;
  const std::string keys = folder / "log.keys", file = folder / "named.key";
  setenv("XDG_STATE_HOME", (folder / "deep/state").c_str(), 1);
  const auto first = cursor_key("", keys).value();
  CHECK_FALSE(first.unkept);
  CHECK(cursor_key("", keys).value().bytes == first.bytes);
  CHECK(std::filesystem::exists(folder / "deep/state/khipu/cursor.key"));

  const auto named = cursor_key(file, keys).value();
  CHECK_FALSE(named.unkept);
  CHECK(named.bytes != first.bytes);
  CHECK(cursor_key(file, keys).value().bytes == named.bytes);
  std::filesystem::create_directory(keys);
  std::filesystem::copy_file(file, keys + "/cursor.key");
  CHECK(cursor_key("", keys).value().bytes == named.bytes);
}

TEST_CASE("cursor key: those who make it at the same time have the same one") {
  for (int round = 0; round < 20; ++round) {
    tests::TempDirectory folder;
    std::vector<std::array<uint8_t, 32>> keys(8);
    std::vector<std::thread> threads;
    for (auto& key : keys) {
      threads.emplace_back([&] { key = cursor_key(folder / "made.key", "").value().bytes; });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& key : keys) CHECK(key == keys.front());
  }
}

TEST_CASE("cursor key: with no place to keep it there is a new one each time, and the reason") {
  tests::TempDirectory folder;
  std::ofstream(folder / "file") << "not a folder";
  setenv("XDG_STATE_HOME", (folder / "file").c_str(), 1);
  const auto first = cursor_key("", folder / "none").value();
  CHECK(first.unkept);
  CHECK(cursor_key("", folder / "none").value().bytes != first.bytes);
  CHECK(cursor_key(folder / "none/cursor.key", "").value().unkept);
  unsetenv("XDG_STATE_HOME");
  unsetenv("HOME");
  CHECK(cursor_key("", folder / "none").value().unkept);
}

TEST_CASE("cursor key: a named file that is there and is no key, or that others can read, is not taken") {
  tests::TempDirectory folder;
  const std::string file = folder / "named.key";
  std::ofstream(file) << "hello\n";
  CHECK_FALSE(cursor_key(file, "").ok());
  std::filesystem::remove(file);
  REQUIRE(cursor_key(file, "").ok());
  std::filesystem::permissions(file, std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  CHECK(cursor_key(file, "").error().code == Code::kForbidden);
}

}  // namespace
}  // namespace khipu::crypto
