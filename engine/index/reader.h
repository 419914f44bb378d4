// Looks things up in the index of a segment or a run: terms to rows, rows to times and places. What it reads was
// checked block by block (file.h), and is still parsed as bytes from outside. Rows are counted from the segment's first
// one.
#pragma once

#include <functional>
#include <optional>

#include "engine/index/columns.h"
#include "engine/index/file.h"
#include "engine/index/row_set.h"

namespace khipu::index {

// The rows of a term, not yet decoded: how many is known before any of them is.
struct List {
  enum class Kind : uint8_t { kDeltas, kBits, kAll };
  Kind kind = Kind::kDeltas;
  uint32_t count = 0;
  uint64_t offset = 0, size = 0;  // bytes of the body
};

// Any thread.
class Reader {
 public:
  // kCorrupt, kUnsupported.
  static Result<std::unique_ptr<Reader>> open(std::unique_ptr<BlockFile> file);

  const Header& header() const { return header_; }
  uint32_t rows() const { return header_.rows; }

  // nullopt: no row has the term.
  Result<std::optional<List>> find(const Term& term) const;
  // Terms that begin with `prefix`, in order, until `visit` returns false.
  using Visit = std::function<bool(Bytes term, const List&)>;
  Result<void> each(Bytes prefix, const Visit& visit) const;
  // Adds the list's rows to `into`.
  Result<void> add(const List& list, RowSet& into) const;
  // The greatest row of the list.
  Result<uint32_t> last(const List& list) const;

  Result<Column> times() const { return column(kTimes); }
  Result<Column> recorded() const { return column(kRecorded); }
  Result<Column> offsets() const { return column(kOffsets); }
  // logs/: rows by (occurred_at, row); only when they are not in that order by themselves.
  Result<Column> by_time() const { return column(kByTime); }
  // registry/: rows of the first versions, by row.
  Result<Column> entities() const { return column(kEntities); }

  uint64_t loaded_bytes() const { return file_->loaded_bytes(); }

 private:
  explicit Reader(std::unique_ptr<BlockFile> file) : file_(std::move(file)) {}
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
};

}  // namespace khipu::index
