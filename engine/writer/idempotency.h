// Which keys were answered lately, and with what. The truth is in the records (an event carries its key's keyed hash);
// idempotency.log is a cache of it, so that opening need not read a day of events. engine/FORMAT.md "idempotency.log".
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/record.h"
#include "engine/os/file.h"

namespace khipu::writer {

struct Answered {
  std::array<uint8_t, 16> key{};
  std::array<uint8_t, 16> body{};
  Row first_seq;
  uint64_t count = 0;
  TimeUs recorded_at = 0;
  CommitNumber commit;
};

// How long keys are remembered, as it was configured; zero in both: unknown.
struct KeyBounds {
  uint64_t keys_max = 0;
  int64_t window_us = 0;
};

// The window in memory. Owner: the writer's thread.
class IdempotencyWindow {
 public:
  void set_bounds(uint64_t keys_max, int64_t window_us) {
    keys_max_ = keys_max;
    window_us_ = window_us;
  }
  const Answered* find(const std::array<uint8_t, 16>& key, TimeUs now) const;
  void add(const Answered& answered);
  void remove_last();  // takes back the newest add()
  // Lets go of what is beyond the bounds. Not inside a batch that may be taken back.
  void trim(TimeUs now);
  size_t count() const { return order_.size(); }
  uint64_t first_number() const { return first_; }  // answers are numbered from 0 in the order of add()
  const std::deque<Answered>& entries() const { return order_; }

 private:
  struct KeyHash {
    size_t operator()(const std::array<uint8_t, 16>& key) const {
      return load_le<size_t>(key.data());
    }  // keyed: uniform
  };
  uint64_t keys_max_ = 1 << 20;
  int64_t window_us_ = 24LL * 3600 * 1000000;
  uint64_t first_ = 0;  // number of order_.front()
  std::deque<Answered> order_;
  std::unordered_map<std::array<uint8_t, 16>, uint64_t, KeyHash> by_key_;  // key -> number
};

// The cache file: the window, and what fell out of it since the file was last written anew. Its entries are numbered as
// the window's. Two threads while the writer runs: whoever syncs a commit appends, the checkpointer covers.
class IdempotencyLog {
 public:
  // The file's newest sound entries; and how many rows of logs/ all of them cover for certain.
  struct Loaded {
    std::vector<Answered> entries;
    std::optional<uint64_t> covered_rows;
    KeyBounds bounds;
  };
  static Result<Loaded> load(os::Directory& root, uint64_t newest_max = UINT64_MAX);
  // Starts afresh with these entries, covering `rows`. `bounds` are kept for whoever opens the log without a
  // configuration.
  static Result<std::unique_ptr<IdempotencyLog>> create(os::Directory& root, const std::deque<Answered>& entries,
                                                        uint64_t rows, uint64_t first_number = 0,
                                                        const KeyBounds& bounds = {});
  Result<void> append(const std::vector<Answered>& entries);
  // Syncs, then records that every key in rows [0, rows) is in the file. Entries below `keep_from` are out of the
  // window: when there are more of them than of the others, and enough to be worth it, the file is written anew.
  Result<void> cover(uint64_t rows, uint64_t keep_from);
  // Other bounds from the next cover() on. Any thread.
  void keep(const KeyBounds& bounds);

 private:
  IdempotencyLog(os::Directory& root, std::unique_ptr<os::File> file) : root_(root), file_(std::move(file)) {}
  Result<void> rewrite(uint64_t rows, uint64_t keep_from, const KeyBounds& bounds);
  Result<void> copy(os::File& to, uint64_t from, uint64_t end, uint64_t& at);

  os::Directory& root_;
  std::mutex mutex_;                // of what follows; only cover() changes file_ and first_number_
  std::unique_ptr<os::File> file_;  // open for reading and writing
  uint64_t first_number_ = 0;
  uint64_t end_ = 0;
  bool dirty_ = false;
  KeyBounds bounds_;
  uint64_t covers_ = 0;  // cover()'s
};

}  // namespace khipu::writer
