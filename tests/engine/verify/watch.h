// Verification of a root that is watched (tests/support/watched_directory.h), and what a writer holds.
#pragma once

#include "engine/os/head_lock.h"
#include "engine/os/lock_file.h"
#include "tests/engine/verify/liar.h"
#include "tests/support/watched_directory.h"

namespace khipu::tests {

inline Result<verify::Report> verify_watched(FakeDisk& disk, const Watch& watch, verify::Options options = {}) {
  WatchedDirectory root(disk.directory("root"), "", watch);
  options.threads = 1;
  return verify::run(root, options);
}

// What a writer holds.
struct Held {
  explicit Held(FakeDisk& disk) : root(disk.directory("root")), lock(os::RootLock::acquire(*root, "serve", 1)) {
    REQUIRE(lock.ok());
    head = std::move(root->open_file("HEAD", os::Mode::kReadWrite).value());
    for (const uint64_t byte : {os::kHeadLockOffset, os::kHeadKeptOffset}) {
      REQUIRE(head->try_lock(byte, 1, os::LockKind::kExclusive).value());
    }
  }
  std::unique_ptr<os::Directory> root;
  Result<os::RootLock> lock;
  std::unique_ptr<os::File> head;
};

}  // namespace khipu::tests
