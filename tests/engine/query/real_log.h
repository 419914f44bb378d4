// A TestLog's files copied to a real directory, with readers over them: for what only the kernel does (maps of files
// that are cut short, links and folders in a file's place).
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/engine/query/test_log.h"
#include "tests/support/temp_directory.h"

namespace khipu::query::tests {

class RealLog {
 public:
  explicit RealLog(TestLog& log) : clock_(log.clock()) {
    copy(*log.disk().directory("root"), path());
    store_ = snapshot::Store::open(os::open_directory(path()).value(), {}).value();
    engine_ = std::make_unique<Engine>(
        *store_, [this] { return clock_.now(); }, std::array<uint8_t, 32>{7});
  }
  std::string path() const { return folder_ / "root"; }
  std::string operator/(const std::string& name) const { return path() + "/" + name; }
  Engine& engine() { return *engine_; }
  snapshot::Store& store() { return *store_; }

 private:
  static void copy(os::Directory& from, const std::string& to) {
    std::filesystem::create_directory(to);
    const std::vector<os::Entry> entries = from.list().value();
    for (const os::Entry& entry : entries) {
      if (entry.kind == os::EntryKind::kDirectory) {
        copy(*from.open_directory(entry.name).value(), to + "/" + entry.name);
        continue;
      }
      const Buffer bytes = from.open_file(entry.name, os::Mode::kRead).value()->read_all(1 << 28).value();
      std::ofstream(to + "/" + entry.name, std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
  }
  khipu::tests::TempDirectory folder_;
  khipu::tests::FakeClock& clock_;
  std::unique_ptr<snapshot::Store> store_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace khipu::query::tests
