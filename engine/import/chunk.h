// Records on their way from the input into one commit, and the two steps before it: cut (ChunkReader) and mapped
// (ChunkMapper), each on a thread of its own while the chunk before is being committed. Not here: commits and receipts'
// order (runner).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/channel.h"
#include "engine/codec/statement.h"
#include "engine/import/mapper.h"
#include "engine/import/resume.h"
#include "engine/import/runner.h"
#include "engine/import/splitter.h"

namespace khipu::import {

// What is counted of the events of a chunk: a report's share, added to it once they are stored.
struct Tally {
  std::vector<uint64_t> fills;  // by member, in the order of Report::fills
  uint64_t out_of_order = 0, duplicate_ids = 0;
  bool duplicate_ids_partial = false;
  std::vector<std::string> samples;
};

struct Chunk {
  struct Item {
    uint64_t offset = 0, line = 1;
    uint64_t size = 0;  // in the input; `raw` may be its beginning (runner.h: kDamageKeptBytes)
    Bytes raw;
    std::string inner, damage;  // as in import::Item
  };
  struct Parked {
    uint64_t offset = 0, line = 1, size = 0;  // as above
    Bytes raw;
    std::string reason;
  };

  ingest::Batch batch;  // owns the bytes that the others view
  std::vector<Item> items;
  std::vector<Parked> parked;
  codec::Import receipt;  // from, to, prefix hash and done by the reader, counts and times by the mapper
  Tally tally;
  uint64_t offset = 0;            // of the unpacked input behind it
  Hash before{};                  // SHA-256 of the unpacked input in front of receipt.from; gzip: of its first record
  bool held_back = false;         // bytes of the input behind it wait for more
  uint64_t skipped = 0;           // records of earlier receipts passed over so far
  std::vector<std::string> told;  // warnings that came since the chunk before
};

using Chunks = Channel<std::unique_ptr<Chunk>>;

// Owner: the reading thread.
class ChunkReader {
 public:
  // All borrowed. Records that `resume` knows are passed over. `events_max`: of a chunk, may change meanwhile.
  ChunkReader(Input& input, const SourceOptions& source, const Resume& resume, const RunOptions& options,
              const std::atomic<uint32_t>& events_max)
      : input_(input), source_(source), resume_(resume), options_(options), events_max_(events_max) {}
  // Until the input ends, an Error, or nobody takes chunks any more; then `to` is closed. The last chunk is `done`.
  Result<void> run(Chunks& to);

 private:
  Result<void> read_all(Chunks& to);
  bool full(const Item& next) const;
  void add(Item& item);
  bool hand_on(Chunks& to, bool done);

  Input& input_;
  const SourceOptions source_;
  const Resume& resume_;
  const RunOptions& options_;
  const std::atomic<uint32_t>& events_max_;
  std::unique_ptr<Splitter> splitter_;
  std::unique_ptr<Chunk> chunk_;
  std::string text_;          // of the chunk's records, back to back
  std::vector<size_t> ends_;  // of each in text_
  uint64_t from_ = 0, skipped_ = 0;
  uint64_t whole_to_ = 0;  // where the last undamaged record ends, in the unpacked input
  Hash before_{};
  size_t told_ = 0;
};

// Which of 64-bit hashes came before; bounded, and no allocation for each. Owner: one thread.
class SeenHashes {
 public:
  enum class Answer { kNew, kSeen, kFull };
  Answer see(uint64_t hash);

 private:
  void grow();
  std::vector<uint64_t> slots_;  // 0: free
  size_t count_ = 0;
};

// Owner: the mapping thread.
class ChunkMapper {
 public:
  ChunkMapper(Mapper& mapper, const registry::Schema& schema, const RunOptions& options, const os::Clock& clock,
              bool protects);
  void run(Chunks& from, Chunks& to);
  static std::vector<Fill> fills(const Mapper& mapper);  // every member that is counted, at zero

 private:
  void map(Chunk& chunk);
  void take(Chunk& chunk, const Chunk::Item& item);
  void count(Chunk& chunk, const ingest::Event& event);

  Mapper& mapper_;
  const registry::Schema& schema_;
  const RunOptions& options_;
  const os::Clock& clock_;
  const bool protects_;
  std::vector<std::string> columns_;
  size_t samples_ = 0;
  std::optional<TimeUs> previous_;
  SeenHashes ids_;
};

}  // namespace khipu::import
