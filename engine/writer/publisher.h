// The durable half of a commit: its frame, fdatasync of what it touched, then HEAD, then the answers. And the
// checkpoint behind it: what is kept beside the key. The order of the steps: engine/FORMAT.md "Commit order".
#pragma once

#include <memory>
#include <optional>

#include "engine/base/result.h"
#include "engine/os/file.h"
#include "engine/segment/level_files.h"
#include "engine/writer/committer.h"
#include "engine/writer/idempotency.h"
#include "engine/writer/key_side.h"

namespace khipu::writer {

// HEAD's two slots, written in turn. Owner: the sync thread; sync() from the checkpointer's thread as well.
class HeadFile {
 public:
  static Result<std::unique_ptr<HeadFile>> open(os::Directory& root, uint64_t sequence, size_t last_slot);
  Result<void> write(segment::Head& head);  // gives it the next sequence number
  Result<void> sync() { return at(segment::kHeadName, file_->sync_data()); }

 private:
  explicit HeadFile(std::unique_ptr<os::File> file) : file_(std::move(file)) {}
  std::unique_ptr<os::File> file_;
  uint64_t sequence_ = 0;
  size_t slot_ = 0;
};

// Writes the job's frame, then makes every dirty file durable: all are set on their way first, so one disk's work is
// done side by side.
Result<void> sync_files(const Job& job);

}  // namespace khipu::writer
