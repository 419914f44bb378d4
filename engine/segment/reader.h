// Reads frames of one segment front to back. Plain pread in large steps: what it yields was copied, so it may be
// trusted as far as its checks go. Used by recovery, replay and verify; queries map instead (engine/snapshot).
#pragma once

#include <memory>

#include "engine/base/result.h"
#include "engine/codec/frame.h"
#include "engine/os/file.h"
#include "engine/segment/format.h"

namespace khipu::segment {

// One frame, or what is wrong at this place.
struct Step {
  enum class Kind { kFrame, kEnd, kFault };
  Kind kind = Kind::kEnd;
  uint64_t offset = 0;  // of the frame, or of the fault
  codec::FrameFault fault = codec::FrameFault::kNone;
  codec::Frame frame;  // its payload is valid until the next call
};

class Reader {
 public:
  // Reads bytes [offset, end) of the file.
  Reader(const os::File& file, uint64_t offset, uint64_t end) : file_(file), offset_(offset), end_(end) {}
  // After a kFault the reader stays where it is; skip_to() goes on elsewhere. An Error means the file cannot be read.
  Result<Step> next();
  void skip_to(uint64_t offset);
  uint64_t offset() const { return offset_; }

 private:
  Result<void> fill(size_t want);
  const os::File& file_;
  uint64_t offset_;  // of the next frame
  uint64_t end_;
  Buffer buffer_;  // its first buffered_ bytes are those of the file from buffer_start_ on
  size_t buffered_ = 0;
  uint64_t buffer_start_ = 0;
};

// The whole manifest of a table as read: entries up to the first that is short or fails its checksum.
struct Manifest {
  std::vector<ManifestEntry> entries;
  uint64_t tail_size = 0;  // bytes behind the last whole entry: a torn append
  // Where the first bad entry stands when whole entries follow it (damage, not a torn append).
  std::optional<uint64_t> damaged_at;
};
Result<Manifest> read_manifest(os::Directory& table);

// Reads both slots of HEAD. Empty or torn slots are nullopt; a missing file gives two nullopts.
Result<std::array<std::optional<Head>, 2>> read_head(os::Directory& root);
std::optional<Head> newest(const std::array<std::optional<Head>, 2>& slots);

}  // namespace khipu::segment
