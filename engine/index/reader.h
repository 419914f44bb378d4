// Looks things up in the index of a segment or a run: terms to rows, rows to times and places. What it reads was
// checked block by block (file.h), and is still parsed as bytes from outside. Rows are counted from the segment's first
// one.
#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "engine/index/columns.h"
#include "engine/index/file.h"
#include "engine/index/front_coding.h"
#include "engine/index/row_set.h"

namespace khipu::index {

// The rows of a term, not yet decoded: how many is known before any of them is.
struct List {
  enum class Kind : uint8_t { kDeltas, kBits, kAll };
  Kind kind = Kind::kDeltas;
  uint32_t count = 0;
  uint64_t offset = 0, size = 0;  // bytes of the body
};

// Numbers as the builder writes them, from bytes that may be anyone's.
struct Varints {
  const uint8_t* at;
  const uint8_t* end;
  bool failed = false;
  uint32_t get() {
    if (at != end && *at < 0x80) return *at++;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      if (at == end) break;
      const uint8_t byte = *at++;
      value |= uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) {
        if (value > UINT32_MAX) break;
        return static_cast<uint32_t>(value);
      }
    }
    failed = true;
    return 0;
  }
};

// Any thread.
class Reader {
 public:
  // kCorrupt, kUnsupported.
  static Result<std::unique_ptr<Reader>> open(std::unique_ptr<BlockFile> file);

  const Header& header() const { return header_; }
  uint32_t rows() const { return header_.rows; }

  // nullopt: no row has the term.
  Result<std::optional<List>> find(const Term& term) const { return find(term.view()); }
  Result<std::optional<List>> find(Bytes term) const;
  // Terms from the page on that may hold `from`, in order. Owner: one thread; borrows the reader.
  class Cursor {
   public:
    Cursor(const Reader& reader, Bytes from) : reader_(reader), page_(reader.page_of(from)) {}
    Result<bool> next();  // false: that was the last one
    Bytes term() const { return term_.term(); }
    const List& list() const { return list_; }
    // Blocks of pages that it has passed are given back: for whoever has the reader to himself (BlockFile::forget).
    void forget_passed() { passed_ = reader_.header_.sections[kPages]; }

   private:
    const Reader& reader_;
    size_t page_;
    uint64_t offset_ = 0, lists_ = 0;  // of the page and of its next list
    std::optional<uint64_t> passed_;   // where what was not given back begins
    const uint8_t* begin_ = nullptr;
    Varints in_{nullptr, nullptr};
    TermReader term_;
    List list_;
  };
  // Terms that begin with `prefix`, in order, until `visit` returns false.
  using Visit = std::function<bool(Bytes term, const List&)>;
  Result<void> each(Bytes prefix, const Visit& visit) const;
  // Bytes of the dictionary's pages up to the one that may hold the term.
  uint64_t pages_size_to(Bytes term) const;
  uint64_t pages_size() const { return section_size(kPages); }
  // Adds the list's rows to `into`.
  Result<void> add(const List& list, RowSet& into) const;
  // Calls tell(row) for each row of the list, in order. kCorrupt: those told before it were of a list that is none.
  template <typename Tell>
  Result<void> each_row(const List& list, const Tell& tell) const;
  // The greatest row of the list.
  Result<uint32_t> last(const List& list) const;

  Result<Column> times() const { return column(kTimes); }
  Result<Column> recorded() const { return column(kRecorded); }
  Result<Column> offsets() const { return column(kOffsets); }
  // logs/: rows by (occurred_at, row); only when they are not in that order by themselves.
  Result<Column> by_time() const { return column(kByTime); }
  // registry/: rows of the first versions, by row.
  Result<Column> entities() const { return column(kEntities); }

  // The first row whose value is not less than `value`, of times() in an index that is in order, or of recorded(). Only
  // the blocks that say it are touched.
  Result<uint32_t> first_time(TimeUs value) const { return lower_bound(kTimes, value); }
  Result<uint32_t> first_recorded(TimeUs value) const { return lower_bound(kRecorded, value); }
  // times() and recorded() of one row, from the blocks that say it alone. kCorrupt: there is no such row.
  Result<TimeUs> time_of(uint32_t row) const { return value_of(kTimes, row); }
  Result<TimeUs> recorded_of(uint32_t row) const { return value_of(kRecorded, row); }
  // offsets() of one row, the same way.
  Result<int64_t> offset_of(uint32_t row) const { return value_of(kOffsets, row); }
  // Where a row stands, from a block that nobody may have checked: peek.h says for whom that is.
  Result<uint64_t> peek_offset(uint32_t row) const;

  uint64_t loaded_bytes() const { return file_->loaded_bytes(); }

 private:
  Result<ColumnGroup> group_head(Section section, uint32_t group) const;
  Result<Bytes> group_bits(Section section, const ColumnGroup& group) const;
  Result<uint32_t> lower_bound(Section section, int64_t value) const;
  Result<int64_t> value_of(Section section, uint32_t row) const;
  std::optional<Column> known(Section section) const;
  explicit Reader(std::unique_ptr<BlockFile> file) : file_(std::move(file)) {}
  Result<Column> parse(Section section) const;
  uint64_t section_size(size_t section) const { return header_.sections[section + 1] - header_.sections[section]; }
  Result<Column> column(Section section) const;
  struct Page {
    Bytes bytes;
    uint64_t offset = 0;  // in the body
    uint64_t lists = 0;   // where its first list stands in the body
  };
  uint32_t page_place(size_t page, size_t member) const { return load_le<uint32_t>(&places_[12 * page + 4 * member]); }
  Bytes page_key(size_t page) const;
  Result<Page> page(size_t index) const;
  size_t page_of(Bytes term) const;  // the last page whose first term is not behind `term`
  // Terms from the page that may hold `from` on.
  Result<void> walk(Bytes from, const Visit& visit) const;

  std::unique_ptr<BlockFile> file_;
  Header header_;
  Bytes places_, keys_;  // the page index, within file_
  mutable std::mutex columns_mutex_;
  mutable std::array<std::optional<Column>, kSectionCount> columns_;  // those that were asked for and are sound
};

template <typename Tell>
Result<void> Reader::each_row(const List& list, const Tell& tell) const {
  if (list.kind == List::Kind::kAll) {
    for (uint32_t row = 0; row < header_.rows; ++row) tell(row);
    return {};
  }
  if (list.kind == List::Kind::kBits) {
    RowSet rows(header_.rows);
    KHIPU_TRY(add(list, rows));
    rows.each(false, [&](uint32_t row) {
      tell(row);
      return true;
    });
    return {};
  }
  KHIPU_TRY_ASSIGN(const Bytes bytes, file_->at(list.offset, list.size));
  Varints in{bytes.data(), bytes.data() + bytes.size()};
  uint64_t next = 0;
  for (uint32_t i = 0; i < list.count; ++i) {
    next += in.get();
    if (in.failed || next >= header_.rows) return Error{Code::kCorrupt, "a list with rows that cannot be"};
    tell(static_cast<uint32_t>(next++));
  }
  return {};
}

}  // namespace khipu::index
