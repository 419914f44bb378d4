// Which keys were answered lately, and with what. The truth is in the records (an event carries its key's keyed hash);
// idempotency.log is a cache of it, so that opening need not read a day of events. engine/FORMAT.md "idempotency.log".
#pragma once

#include <array>
#include <deque>
#include <memory>
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

// The cache file. Owner: the sync thread once the writer runs.
class IdempotencyLog {
 public:
  // Every sound entry of the file and its predecessor; and how many rows of logs/ they cover for certain.
  struct Loaded {
    std::vector<Answered> entries;
    std::optional<uint64_t> covered_rows;
  };
  static Result<Loaded> load(os::Directory& root);
  // Starts afresh with these entries, covering `rows`.
  static Result<std::unique_ptr<IdempotencyLog>> create(os::Directory& root, const std::deque<Answered>& entries,
                                                        uint64_t rows);
  Result<void> append(const std::vector<Answered>& entries);
  // Syncs, then records that every key in rows [0, rows) is in the file.
  Result<void> cover(uint64_t rows);
  uint64_t entries() const { return entries_; }

 private:
  explicit IdempotencyLog(std::unique_ptr<os::File> file) : file_(std::move(file)) {}
  std::unique_ptr<os::File> file_;
  uint64_t end_ = 0;
  uint64_t entries_ = 0;
  uint64_t covers_ = 0;
  bool dirty_ = false;
};

}  // namespace khipu::writer
