// The bytes of an index file as far as they were asked for: each 64 KiB block is copied out of the file, hashed, and
// compared with its hash under the committed root when it is first touched (P5). What was touched stays, checked, until
// the object goes. Not here: what the bytes mean (reader.h).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/index/format.h"
#include "engine/os/file.h"
#include "engine/os/pages.h"

namespace khipu::index {

// Any thread.
class BlockFile {
 public:
  // kCorrupt when the file's size or block hashes are not those that make `root`.
  static Result<std::unique_ptr<BlockFile>> open(std::unique_ptr<os::File> file, uint64_t size, const Hash& root);
  // Bytes just built, which nobody need check.
  static std::unique_ptr<BlockFile> of(Buffer body);

  uint64_t size() const { return body_; }
  // kCorrupt outside the body, or when a block differs from its hash. Valid as long as this object.
  Result<Bytes> at(uint64_t offset, uint64_t size) const;
  // Whole blocks of [from, to) as if nobody had touched them; what is in memory alone (of()) stays. Only for whoever
  // has the object to himself, and no bytes of them.
  void forget(uint64_t from, uint64_t to) const;
  const os::File* file() const { return file_.get(); }  // nullptr: of()
  uint64_t loaded_bytes() const { return loaded_.load(std::memory_order_relaxed); }

 private:
  BlockFile() = default;
  Result<void> load(uint64_t block) const;

  std::unique_ptr<os::File> file_;
  uint64_t body_ = 0;
  std::vector<Hash> hashes_;
  Buffer owned_;                      // of()
  std::unique_ptr<os::Pages> bytes_;  // not touched where no block was loaded
  std::unique_ptr<std::atomic<bool>[]> checked_;
  mutable std::mutex mutex_;  // held while a block is loaded
  mutable std::atomic<uint64_t> loaded_{0};
};

}  // namespace khipu::index
