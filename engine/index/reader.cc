#include "engine/index/reader.h"

#include <algorithm>

#include "engine/index/peek.h"

namespace khipu::index {
namespace {

Error corrupt(const char* what) { return {Code::kCorrupt, what}; }

bool less(Bytes a, Bytes b) { return as_text(a) < as_text(b); }

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(std::unique_ptr<BlockFile> file) {
  std::unique_ptr<Reader> reader(new Reader(std::move(file)));
  const BlockFile& bytes = *reader->file_;
  KHIPU_TRY_ASSIGN(const Bytes head, bytes.at(0, std::min<uint64_t>(kHeaderSize, bytes.size())));
  KHIPU_TRY_ASSIGN(reader->header_, parse_header(head, bytes.size()));
  const Header& header = reader->header_;
  const uint64_t places = uint64_t{12} * header.pages;
  const uint64_t index = reader->section_size(kPageIndex);
  if (places > index) return corrupt("a page index that does not fit its section");
  KHIPU_TRY_ASSIGN(reader->places_, bytes.at(header.sections[kPageIndex], places));
  KHIPU_TRY_ASSIGN(reader->keys_, bytes.at(header.sections[kPageIndex] + places, index - places));
  std::array<uint32_t, 3> before{};
  for (size_t i = 0; i < header.pages; ++i) {
    const std::array<uint64_t, 3> limits = {reader->section_size(kPages), reader->section_size(kLists),
                                            reader->keys_.size()};
    for (size_t member = 0; member < 3; ++member) {
      const uint32_t place = reader->page_place(i, member);
      if (place < before[member] || place > limits[member]) return corrupt("pages that do not follow each other");
      before[member] = place;
    }
  }
  return reader;
}

Result<Column> Reader::column(Section section) const {
  const std::lock_guard hold(columns_mutex_);
  std::optional<Column>& known = columns_[section];
  if (!known) {
    KHIPU_TRY_ASSIGN(known, parse(section));
  }
  return *known;
}

Result<Column> Reader::parse(Section section) const {
  KHIPU_TRY_ASSIGN(const Bytes bytes, file_->at(header_.sections[section], section_size(section)));
  const bool none = section == kByTime && header_.table == TableId::kLogs && header_.in_order;
  return Column::parse(bytes, none ? 0 : header_.rows);
}

std::optional<Column> Reader::known(Section section) const {
  const std::lock_guard hold(columns_mutex_);
  return columns_[section];
}

Result<ColumnGroup> Reader::group_head(Section section, uint32_t group) const {
  const uint64_t heads = column_groups(header_.rows) * kGroupHeadSize;
  if (section_size(section) < heads) return corrupt("a column that does not fit its section");
  KHIPU_TRY_ASSIGN(const Bytes head,
                   file_->at(header_.sections[section] + uint64_t{group} * kGroupHeadSize, kGroupHeadSize));
  return ColumnGroup::parse(head, group, header_.rows, section_size(section) - heads);
}

Result<Bytes> Reader::group_bits(Section section, const ColumnGroup& group) const {
  const uint64_t data = header_.sections[section] + column_groups(header_.rows) * kGroupHeadSize;
  return file_->at(data + group.offset, group.size);
}

Result<int64_t> Reader::value_of(Section section, uint32_t row) const {
  if (row >= header_.rows) return corrupt("a row outside the index");
  if (const std::optional<Column> column = known(section)) return (*column)[row];
  KHIPU_TRY_ASSIGN(const ColumnGroup group, group_head(section, row / kGroupRows));
  KHIPU_TRY_ASSIGN(const Bytes bits, group_bits(section, group));
  return group.value(bits, row % kGroupRows);
}

// The last group that begins below the value has the row, or the next one's first row is it.
Result<uint32_t> Reader::lower_bound(Section section, int64_t value) const {
  if (const std::optional<Column> column = known(section)) return column->lower_bound(value);
  const auto groups = static_cast<uint32_t>(column_groups(header_.rows));
  uint32_t from = 0, to = groups;  // groups below `from` begin below the value
  while (from < to) {
    const uint32_t middle = from + (to - from) / 2;
    KHIPU_TRY_ASSIGN(const ColumnGroup group, group_head(section, middle));
    if (group.least < value) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  if (from == 0) return 0U;
  KHIPU_TRY_ASSIGN(const ColumnGroup group, group_head(section, from - 1));
  KHIPU_TRY_ASSIGN(const Bytes bits, group_bits(section, group));
  uint32_t row = 0, end = group.rows;
  while (row < end) {
    const uint32_t middle = row + (end - row) / 2;
    if (group.value(bits, middle) < value) {
      row = middle + 1;
    } else {
      end = middle;
    }
  }
  return (from - 1) * kGroupRows + row;
}

Result<uint64_t> Reader::peek_offset(uint32_t row) const {
  std::optional<Column> column = known(kOffsets);
  if (!column && file_->file() != nullptr) return index::peek_offset(*file_->file(), row);
  if (!column) {
    KHIPU_TRY_ASSIGN(column, offsets());
  }
  return static_cast<uint64_t>((*column)[row]);
}

Bytes Reader::page_key(size_t page) const {
  const uint32_t from = page_place(page, 2);
  const uint64_t to = page + 1 < header_.pages ? page_place(page + 1, 2) : keys_.size();
  return keys_.subspan(from, to - from);
}

Result<Reader::Page> Reader::page(size_t index) const {
  Page page;
  page.offset = header_.sections[kPages] + page_place(index, 0);
  const uint64_t end =
      index + 1 < header_.pages ? header_.sections[kPages] + page_place(index + 1, 0) : header_.sections[kPages + 1];
  page.lists = header_.sections[kLists] + page_place(index, 1);
  KHIPU_TRY_ASSIGN(page.bytes, file_->at(page.offset, end - page.offset));
  return page;
}

size_t Reader::page_of(Bytes term) const {
  size_t from = 0, to = header_.pages;
  while (to - from > 1) {
    const size_t middle = from + (to - from) / 2;
    if (less(term, page_key(middle))) {
      to = middle;
    } else {
      from = middle;
    }
  }
  return from;
}

uint64_t Reader::pages_size_to(Bytes term) const {
  const size_t next = page_of(term) + 1;
  return next < header_.pages ? page_place(next, 0) : pages_size();
}

Result<bool> Reader::Cursor::next() {
  while (in_.at == in_.end) {
    if (page_ >= reader_.header_.pages) return false;
    KHIPU_TRY_ASSIGN(const Page page, reader_.page(page_++));
    if (passed_ && *passed_ / kBlockSize < page.offset / kBlockSize) {
      reader_.file_->forget(*passed_, page.offset);
      passed_ = page.offset - page.offset % kBlockSize;
    }
    offset_ = page.offset;
    lists_ = page.lists;
    begin_ = page.bytes.data();
    in_ = {begin_, begin_ + page.bytes.size()};
    term_.begin_page();
  }
  if (const char* const wrong = term_.next(in_.at, in_.end)) return corrupt(wrong);
  list_ = {};
  list_.count = in_.get();
  const uint32_t rows = reader_.header_.rows;
  if (in_.failed || list_.count == 0 || list_.count > rows) return corrupt("a count that cannot be");
  if (list_.count <= kInlineRowsMax) {
    list_.offset = offset_ + static_cast<uint64_t>(in_.at - begin_);
    for (uint32_t row = 0; row < list_.count; ++row) (void)in_.get();
    list_.size = offset_ + static_cast<uint64_t>(in_.at - begin_) - list_.offset;
  } else {
    list_.size = in_.get();
    list_.offset = lists_;
    lists_ += list_.size;
    list_.kind = list_.count == rows                ? List::Kind::kAll
                 : uint64_t{8} * list_.count < rows ? List::Kind::kDeltas
                                                    : List::Kind::kBits;
  }
  if (in_.failed) return corrupt("a dictionary page that ends inside a list");
  return true;
}

Result<void> Reader::walk(Bytes from, const Visit& visit) const {
  Cursor cursor(*this, from);
  for (;;) {
    KHIPU_TRY_ASSIGN(const bool more, cursor.next());
    if (!more || !visit(cursor.term(), cursor.list())) return {};
  }
}

Result<std::optional<List>> Reader::find(Bytes wanted) const {
  std::optional<List> found;
  KHIPU_TRY(walk(wanted, [&](Bytes have, const List& list) {
    if (less(have, wanted)) return true;
    if (!less(wanted, have)) found = list;
    return false;
  }));
  return found;
}

Result<void> Reader::each(Bytes prefix, const Visit& visit) const {
  return walk(prefix, [&](Bytes have, const List& list) {
    if (as_text(have).starts_with(as_text(prefix))) return visit(have, list);
    return less(have, prefix);
  });
}

Result<uint32_t> Reader::last(const List& list) const {
  if (list.kind == List::Kind::kAll) return header_.rows - 1;  // a list is never empty, so neither are they
  if (list.kind == List::Kind::kBits) {
    RowSet rows(header_.rows);
    KHIPU_TRY(add(list, rows));
    std::optional<uint32_t> last;
    rows.each(true, [&](uint32_t row) {
      last = row;
      return false;
    });
    if (!last) return corrupt("bits without one");
    return *last;
  }
  KHIPU_TRY_ASSIGN(const Bytes bytes, file_->at(list.offset, list.size));
  Varints in{bytes.data(), bytes.data() + bytes.size()};
  uint64_t next = 0;
  for (uint32_t i = 0; i < list.count; ++i) next += uint64_t{in.get()} + 1;
  if (in.failed || next == 0 || next > header_.rows) return corrupt("a list with rows that cannot be");
  return static_cast<uint32_t>(next - 1);
}

Result<void> Reader::add(const List& list, RowSet& into) const {
  if (into.rows() != header_.rows) return corrupt("a set of another segment");
  if (list.kind == List::Kind::kAll) {
    into.add_range(0, header_.rows);
    return {};
  }
  if (list.kind == List::Kind::kBits) {
    KHIPU_TRY_ASSIGN(const Bytes bytes, file_->at(list.offset, list.size));
    if (bytes.size() != (header_.rows + 7) / 8) return corrupt("bits that are not one a row");
    std::vector<uint64_t>& words = into.words();
    for (size_t at = 0; at < bytes.size(); at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, &bytes[at], std::min<size_t>(8, bytes.size() - at));
      if (at / 8 + 1 == words.size() && header_.rows % 64 != 0) word &= (uint64_t{1} << (header_.rows % 64)) - 1;
      words[at / 8] |= word;
    }
    return {};
  }
  return each_row(list, [&](uint32_t row) { into.add(row); });
}

}  // namespace khipu::index
