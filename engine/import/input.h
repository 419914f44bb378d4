// The bytes of an input as a window that grows and moves: plain or gzip (by magic, whatever the name says). Counts
// offsets and lines of what was consumed, and hashes it. Not here: where records begin and end (splitter).
#pragma once

#include <memory>
#include <string>

#include "engine/crypto/hash.h"
#include "engine/os/file.h"

namespace khipu::import {

// Owner: one thread. Borrows the file.
class Input {
 public:
  // Bytes of the file from `end` on are none of it.
  static Result<std::unique_ptr<Input>> open(const os::File& file, uint64_t end = UINT64_MAX);
  ~Input();

  bool compressed() const { return inflate_ != nullptr; }
  // Unpacked bytes not consumed yet; valid until more() or consume().
  Bytes window() const { return Bytes(buffer_).subspan(begin_); }
  // Appends to the window; false at the end of the input (or where a gzip stream is damaged).
  Result<bool> more();
  void consume(size_t size);

  uint64_t offset() const { return offset_; }  // of the window in the unpacked input
  uint64_t line() const { return line_; }      // of the window's first byte, from 1
  // SHA-256 of the unpacked input's bytes [0, offset()).
  Hash prefix_hash();
  // Why the unpacked bytes end before the stream does, or "".
  const std::string& damage() const { return damage_; }

 private:
  struct Inflate;
  Input(const os::File& file, uint64_t end);
  Result<size_t> read(std::span<uint8_t> into);
  Result<bool> more_unpacked(std::span<uint8_t> into, size_t& size);
  void hash_consumed();

  const os::File& file_;
  const uint64_t end_;
  uint64_t file_offset_ = 0;
  Buffer buffer_;
  size_t begin_ = 0;
  size_t hashed_ = 0;  // bytes of buffer_, all consumed: hashing record by record costs more than the hashes
  uint64_t offset_ = 0;
  uint64_t line_ = 1;
  crypto::Sha256 hash_;
  std::string damage_;
  std::unique_ptr<Inflate> inflate_;
};

}  // namespace khipu::import
