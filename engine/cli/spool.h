// Input that comes from a pipe, kept so that it can be read twice. Not here: which input is one (root.h).
#pragma once

#include <memory>
#include <string_view>

#include "engine/base/result.h"
#include "engine/os/file.h"

namespace khipu::cli {

// What is kept in memory alone may be this large. What is protected is kept nowhere else before it is sealed.
inline constexpr uint64_t kMemorySpoolSizeBytesMax = 1ULL << 30;

// A file without a name: whatever ends the process, nothing of it stays. Owner: one thread.
class Spool {
 public:
  enum class Place {
    kDisk,    // in TMPDIR (default /tmp); in memory where that file system makes no nameless file
    kMemory,  // on no disk but swap: for what would lie there unprotected
  };
  static Result<Spool> make(Place place, uint64_t memory_size_bytes_max = kMemorySpoolSizeBytesMax);
  // kLimit when it is in memory and grows over the bound.
  Result<void> append(std::string_view bytes);
  const os::File& file() const { return *file_; }

 private:
  Spool(std::unique_ptr<os::File> file, uint64_t size_max) : file_(std::move(file)), size_max_(size_max) {}
  std::unique_ptr<os::File> file_;
  uint64_t size_max_;
  uint64_t size_ = 0;
};

}  // namespace khipu::cli
