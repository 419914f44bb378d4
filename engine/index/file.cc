#include "engine/index/file.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/tree/tree.h"

namespace khipu::index {

Result<std::unique_ptr<BlockFile>> BlockFile::open(std::unique_ptr<os::File> file, uint64_t size, const Hash& root) {
  KHIPU_TRY_ASSIGN(const uint64_t have, file->size());
  const std::optional<uint64_t> body = body_size(size);
  if (have != size || !body) {
    return Error{Code::kCorrupt, fmt::format("{} bytes, its INDEX statement says {}", have, size)};
  }
  std::unique_ptr<BlockFile> blocks(new BlockFile());
  blocks->file_ = std::move(file);
  blocks->body_ = *body;
  blocks->hashes_.resize(block_count(*body));
  KHIPU_TRY(blocks->file_->read_exactly(
      *body, {reinterpret_cast<uint8_t*>(blocks->hashes_.data()), 32 * blocks->hashes_.size()}));
  if (tree::root_of(blocks->hashes_) != root) {
    return Error{Code::kCorrupt, "its block hashes do not make the root of its INDEX statement"};
  }
  KHIPU_TRY_ASSIGN(blocks->bytes_, os::Pages::take(*body));
  blocks->checked_ = std::make_unique<std::atomic<bool>[]>(blocks->hashes_.size());
  return blocks;
}

std::unique_ptr<BlockFile> BlockFile::of(Buffer body) {
  std::unique_ptr<BlockFile> blocks(new BlockFile());
  blocks->owned_ = std::move(body);
  blocks->body_ = blocks->owned_.size();
  blocks->loaded_ = blocks->body_;
  return blocks;
}

Result<Bytes> BlockFile::at(uint64_t offset, uint64_t size) const {
  if (offset > body_ || size > body_ - offset) return Error{Code::kCorrupt, "a place outside the index"};
  if (!checked_) return Bytes(owned_).subspan(offset, size);
  if (size > 0) {
    for (uint64_t block = offset / kBlockSize; block <= (offset + size - 1) / kBlockSize; ++block) {
      if (!checked_[block].load(std::memory_order_acquire)) KHIPU_TRY(load(block));
    }
  }
  return Bytes(bytes_->data() + offset, size);
}

void BlockFile::forget(uint64_t from, uint64_t to) const {
  if (!checked_) return;
  const uint64_t first = (from + kBlockSize - 1) / kBlockSize;
  const uint64_t end = to >= body_ ? hashes_.size() : to / kBlockSize;
  const std::lock_guard hold(mutex_);
  for (uint64_t block = first; block < end; ++block) {
    if (!checked_[block].exchange(false)) continue;
    const uint64_t at = block * kBlockSize, next = std::min(at + kBlockSize, body_);
    loaded_.fetch_sub(next - at, std::memory_order_relaxed);
    bytes_->clear(at, next);
  }
}

Result<void> BlockFile::load(uint64_t block) const {
  const std::lock_guard hold(mutex_);
  if (checked_[block].load(std::memory_order_relaxed)) return {};
  const uint64_t from = block * kBlockSize;
  const std::span<uint8_t> into(bytes_->data() + from, std::min(kBlockSize, body_ - from));
  KHIPU_TRY(file_->read_exactly(from, into));
  if (tree::leaf_hash(into) != hashes_[block]) {
    return Error{Code::kCorrupt, fmt::format("block {} at byte {} differs from its hash", block, from)};
  }
  loaded_.fetch_add(into.size(), std::memory_order_relaxed);
  checked_[block].store(true, std::memory_order_release);
  return {};
}

}  // namespace khipu::index
