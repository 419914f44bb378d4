// Merged indexes: which of 16 segments of a table that follow each other hold a term, and how many of their rows; 16
// such files make one of 256 segments, and these one of 4,096. So a look-up asks one file where it would ask many, and
// the indexes of the segments only where there is something. Specified in engine/FORMAT.md "Merged indexes".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/index/reader.h"

namespace khipu::index {

inline constexpr uint64_t kMergeFan = 16;
inline constexpr unsigned kMergeLevels = 3;
// Of the pages of terms that one is made from: bounds its own size, about, and what its making holds in memory.
inline constexpr uint64_t kMergeBytesMax = 256ULL << 20;

// Segments [first, last]; a range of 16, 256 or 4,096 that begins at a multiple of its length.
struct MergedName {
  SegmentNumber first, last;
  uint64_t count() const { return last.value - first.value + 1; }
  bool operator==(const MergedName&) const = default;
};
std::string merged_name(const MergedName& name);                     // "idx-0000000016-0000000031.idx"
std::optional<MergedName> parse_merged_name(std::string_view name);  // nullopt unless exactly that form
// The range of that length that holds the segment.
MergedName merged_around(SegmentNumber number, uint64_t count);

// What a merged file says of one segment besides terms. Times are those of its index; 0 without rows.
struct MergedPart {
  Row first_row;
  uint64_t rows = 0;
  TimeUs time_min = 0, time_max = 0, recorded_first = 0, recorded_last = 0;
  bool operator==(const MergedPart&) const = default;
};
// Rows of one of the segments that have a term.
struct Held {
  uint32_t segment = 0;  // counted from the file's first
  uint32_t rows = 0;
  bool operator==(const Held&) const = default;
};

// Any thread.
class MergedReader {
 public:
  // kCorrupt, kUnsupported.
  static Result<std::unique_ptr<MergedReader>> open(std::unique_ptr<BlockFile> file);
  TableId table() const { return table_; }
  const MergedName& name() const { return name_; }
  Row first_row() const { return first_row_; }
  uint64_t rows() const { return rows_; }
  Result<MergedPart> part(uint32_t segment) const;
  // Where the term is, in the segments' order; empty: in none of them.
  Result<std::vector<Held>> find(const Term& term) const;
  uint64_t loaded_bytes() const { return file_->loaded_bytes(); }
  uint64_t pages_size() const { return size_of(kMergedPages); }

  // All terms in order. Owner: one thread; borrows the reader.
  class Cursor {
   public:
    explicit Cursor(const MergedReader& reader, uint32_t page = 0) : reader_(reader), page_(page) {}
    Result<bool> next();  // false: that was the last one
    Bytes term() const { return term_.term(); }
    const std::vector<Held>& held() const { return held_; }
    void forget_passed() { passed_ = reader_.sections_[kMergedPages]; }  // as Reader::Cursor

   private:
    const MergedReader& reader_;
    uint32_t page_;
    std::optional<uint64_t> passed_;  // where what was not given back begins
    Varints in_{nullptr, nullptr};
    TermReader term_;
    std::vector<Held> held_;
  };

 private:
  explicit MergedReader(std::unique_ptr<BlockFile> file) : file_(std::move(file)) {}
  enum Part : size_t { kMergedParts, kMergedPlaces, kMergedKeys, kMergedPages, kMergedPartCount };
  uint64_t size_of(size_t part) const { return sections_[part + 1] - sections_[part]; }
  struct Place {
    uint32_t page = 0, key = 0;
  };
  Result<Place> place(uint32_t page) const;
  Result<Bytes> key(uint32_t page) const;
  Result<Bytes> page(uint32_t page) const;

  std::unique_ptr<BlockFile> file_;
  TableId table_ = TableId::kLogs;
  MergedName name_;
  Row first_row_;
  uint64_t rows_ = 0;
  uint32_t pages_ = 0;
  std::array<uint64_t, kMergedPartCount + 1> sections_{};
};

// Makes the file of segments that follow each other from their indexes, or from merged files of them. A pure function
// of these. Owner: one thread; borrows what it is given, which nobody else may use.
class Merger {
 public:
  Merger(TableId table, const MergedName& name) : table_(table), name_(name) {}
  // The next segment, the next segments; a segment without rows has no index.
  Result<void> add(const Reader& index);
  void add_empty(Row first_row) { parts_.push_back({first_row, 0, 0, 0, 0, 0}); }
  Result<void> add(const MergedReader& merged);
  // Of the pages that hold the terms it will take of what was added so far.
  uint64_t terms_size() const;
  // kLimit when it would not fit 4 GiB; kCancelled once `stop`, asked now and then, says so. The merger is spent.
  struct File {
    Buffer bytes;
    Hash root{};
    Row first_row;
    uint64_t rows = 0;
  };
  using Stop = std::function<bool()>;
  Result<File> finish(const Stop& stop = {});

 private:
  struct Source;
  struct Smallest;
  class Written;
  Result<void> merge(Written& into, const Stop& stop);

  TableId table_;
  MergedName name_;
  std::vector<MergedPart> parts_;
  struct From {
    const Reader* index = nullptr;
    const MergedReader* merged = nullptr;
    uint32_t base = 0;
  };
  std::vector<From> from_;
};

}  // namespace khipu::index
