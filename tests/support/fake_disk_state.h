// What FakeDisk and its handles share. Private to them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/fake_disk.h"
#include "tests/support/fake_inode.h"

namespace khipu::tests {

struct FakeDiskState {
  struct Fault {
    uint64_t at = 0;                                // operation number, when `matches` is empty
    std::function<bool(const DiskEvent&)> matches;  // instead of a number; used once
    bool and_later = false;
    std::optional<Code> code;  // fails with it
    bool dies = false;
    Part part = Part::kNothing;
  };
  // What is to become of one operation.
  struct Verdict {
    std::optional<Error> error;
    Part part = Part::kNothing;
  };

  mutable std::mutex mutex;  // guards all below
  std::shared_ptr<FakeInode> root = new_directory();
  uint64_t generation = 0;  // raised by a crash: handles of an older one are dead
  bool dead = false;        // a planned crash has happened
  uint64_t next_handle = 1;
  uint64_t operations = 0;
  std::chrono::microseconds sync_time{0};  // of sync_data() and sync(), besides
  std::vector<Fault> faults;
  std::vector<DiskEvent> log;

  static std::shared_ptr<FakeInode> new_directory();
  // Counts, logs and judges. Called with the mutex held, before the operation is done.
  Verdict begin(DiskEvent event);
  // kIo when the handle's process has died.
  Result<void> alive(uint64_t handle_generation, const std::string& path) const;
};

std::unique_ptr<os::File> make_fake_file(std::shared_ptr<FakeDiskState> state, std::shared_ptr<FakeInode> inode,
                                         std::string path, bool writable);
std::unique_ptr<os::Directory> make_fake_directory(std::shared_ptr<FakeDiskState> state,
                                                   std::shared_ptr<FakeInode> inode, std::string path);

}  // namespace khipu::tests
