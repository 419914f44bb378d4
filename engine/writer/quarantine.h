// quarantine/: bytes set aside by recovery, each file written whole before anything is cut. Files are named
// NNNNNN-TABLE-FILE-OFFSET.bin, NNNNNN counting up; a RECOVERY statement names each (engine/FORMAT.md "quarantine/").
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/os/file.h"

namespace khipu::writer {

inline constexpr std::string_view kQuarantineSuffix = ".bin";

class Quarantine {
 public:
  explicit Quarantine(os::Directory& root) : root_(root) {}
  Result<void> open();
  // Copies bytes [offset, size) of the file aside, syncs copy and directory, then cuts the file there (offset 0:
  // unlinks it). Nothing to copy: nothing is done.
  Result<void> take(os::Directory& table, std::string_view table_name, const std::string& name, uint64_t offset);
  const std::vector<std::string>& names() const { return names_; }

 private:
  os::Directory& root_;
  std::unique_ptr<os::Directory> directory_;
  uint64_t next_ = 1;
  std::vector<std::string> names_;
};

}  // namespace khipu::writer
