// Builds the index of rows of one segment of logs/ or registry/: rows in, in order; the file's bytes and root out. A
// pure function of the rows and of which columns are indexed (which never changes once a column is defined), so writer,
// reader and verify all get the same bytes. Not here: reading the segment, writing the file.
#pragma once

#include <vector>

#include "engine/index/dictionary.h"
#include "engine/index/format.h"
#include "engine/index/term_lists.h"

namespace khipu::index {

// Owner: one thread.
class Builder {
 public:
  // Of logs/. `indexed_columns`: ids, ascending.
  Builder(SegmentNumber number, Row first_row, std::vector<uint32_t> indexed_columns);
  static Builder of_registry(SegmentNumber number, Row first_row);
  // As if made anew, for other rows; what was allocated stays.
  void begin(SegmentNumber number, Row first_row, std::vector<uint32_t> indexed_columns);
  void begin_registry(SegmentNumber number, Row first_row);
  // About so many rows will come: room for them at once, in the place of growing step by step.
  void expect(size_t rows);

  // The next row: where its frame starts in the segment, and the event. kLimit beyond kRowsMax rows.
  Result<void> add(uint64_t frame_offset, const codec::EventRecord& event);
  Result<void> add(uint64_t frame_offset, const codec::VersionRecord& version);
  // The record of a row, decoded as the table has it. kCorrupt when it is none.
  Result<void> add(uint64_t frame_offset, Bytes payload);

  struct File {
    Buffer bytes;
    Hash root{};  // of the block hashes
  };
  // kLimit when an index would not fit 4 GiB. The builder is spent until it begins again.
  Result<File> finish() { return finish_as(newest_version(header_.table)); }
  // As a format version has it.
  Result<File> finish_as(uint16_t version);
  // The file that has this root, if these rows make it in one of the versions; else as finish().
  Result<File> finish(const Hash& root);
  // The bytes of a file that nobody needs any more, to be written over by the next one.
  void reuse(Buffer bytes) { spare_ = std::move(bytes); }
  // finish() without the hashes, for who keeps it in memory.
  Result<Buffer> body() { return body_as(newest_version(header_.table)); }

 private:
  Result<Buffer> body_as(uint16_t version);
  Result<uint32_t> add_row(uint64_t frame_offset, TimeUs time, TimeUs recorded_at);
  Result<void> add_protected(const codec::ColumnValue& column, uint32_t row);

  Header header_;
  std::vector<uint32_t> indexed_columns_;
  std::vector<int64_t> times_, recorded_, offsets_, entities_;
  codec::EventRecord event_;  // scratch that keeps its capacity
  codec::VersionRecord version_;
  TermLists terms_;
  Dictionary dictionary_;
  Buffer spare_;
};

// Leaf hashes of the body's blocks, and their RFC 6962 root.
std::vector<Hash> block_hashes(Bytes body);

}  // namespace khipu::index
