#include "engine/index/merged.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/assert.h"
#include "engine/index/builder.h"
#include "engine/os/pages.h"
#include "engine/tree/tree.h"

namespace khipu::index {
namespace {

constexpr std::string_view kMergedMagic = "khipumrg";
constexpr uint16_t kMergedVersion = 1;
constexpr uint64_t kPartSize = 48;
constexpr uint64_t kPlaceSize = 8;
constexpr uint64_t kChunkSize = 1 << 20;
constexpr uint32_t kTermsBetweenLooks = 1 << 16;  // at whether it is to stop
constexpr std::array<uint8_t, 1> kBehindNames = {static_cast<uint8_t>(Field::kAttribute)};

Error bad(const char* what) { return {Code::kCorrupt, what}; }

bool is_level(uint64_t count) {
  uint64_t fan = 1;
  for (unsigned level = 0; level < kMergeLevels; ++level) {
    fan *= kMergeFan;
    if (count == fan) return true;
  }
  return false;
}

}  // namespace

std::string merged_name(const MergedName& name) {
  return fmt::format("idx-{:010}-{:010}.idx", name.first.value, name.last.value);
}

MergedName merged_around(SegmentNumber number, uint64_t count) {
  const uint64_t first = number.value / count * count;
  return {SegmentNumber{first}, SegmentNumber{first + count - 1}};
}

std::optional<MergedName> parse_merged_name(std::string_view name) {
  if (!name.starts_with("idx-") || !name.ends_with(".idx")) return std::nullopt;
  const std::string_view middle = name.substr(4, name.size() - 8);
  const size_t dash = middle.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits) {
    return parse_index_name(std::string("seg-").append(digits).append(".idx"));
  };
  const auto first = number(middle.substr(0, dash)), last = number(middle.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  const MergedName made{*first, *last};
  if (!is_level(made.count()) || first->value % made.count() != 0 || merged_name(made) != name) return std::nullopt;
  return made;
}

Result<std::unique_ptr<MergedReader>> MergedReader::open(std::unique_ptr<BlockFile> file) {
  std::unique_ptr<MergedReader> reader(new MergedReader(std::move(file)));
  const BlockFile& body = *reader->file_;
  if (body.size() < kHeaderSize) return bad("shorter than its header");
  KHIPU_TRY_ASSIGN(const Bytes bytes, body.at(0, kHeaderSize));
  if (as_text(bytes.first(kMergedMagic.size())) != kMergedMagic) return bad("not a merged index");
  if (load_le<uint16_t>(&bytes[8]) != kMergedVersion) {
    return Error{Code::kUnsupported, fmt::format("merged index format version {}", load_le<uint16_t>(&bytes[8]))};
  }
  reader->table_ = static_cast<TableId>(bytes[10]);
  if (!is_indexed(reader->table_) || bytes[11] != 0) return bad("an unknown table or flag");
  const auto count = load_le<uint32_t>(&bytes[12]);
  const auto first = load_le<uint64_t>(&bytes[16]);
  if (!is_level(count) || first % count != 0 || first > UINT64_MAX - count)
    return bad("a range of segments that cannot be");
  reader->name_ = {SegmentNumber{first}, SegmentNumber{first + count - 1}};
  reader->first_row_ = Row{load_le<uint64_t>(&bytes[24])};
  reader->rows_ = load_le<uint64_t>(&bytes[32]);
  reader->pages_ = load_le<uint32_t>(&bytes[44]);
  uint64_t at = kHeaderSize;
  for (size_t i = 0; i < reader->sections_.size(); ++i) {
    reader->sections_[i] = load_le<uint32_t>(&bytes[48 + 4 * i]);
    if (reader->sections_[i] < at || reader->sections_[i] > body.size())
      return bad("sections that do not follow each other");
    at = reader->sections_[i];
  }
  if (reader->sections_[0] != kHeaderSize || at != body.size()) return bad("sections that do not fill the file");
  if (std::any_of(bytes.begin() + 48 + 4 * (kMergedPartCount + 1), bytes.end(),
                  [](uint8_t byte) { return byte != 0; })) {
    return bad("reserved bytes that are not zero");
  }
  if (reader->size_of(kMergedParts) != kPartSize * count ||
      reader->size_of(kMergedPlaces) != kPlaceSize * reader->pages_) {
    return bad("sections of another size than what is in them");
  }
  return reader;
}

Result<MergedPart> MergedReader::part(uint32_t segment) const {
  if (segment >= name_.count()) return bad("a segment outside the file");
  KHIPU_TRY_ASSIGN(const Bytes bytes, file_->at(sections_[kMergedParts] + kPartSize * segment, kPartSize));
  return MergedPart{Row{load_le<uint64_t>(&bytes[0])}, load_le<uint64_t>(&bytes[8]), load_le<int64_t>(&bytes[16]),
                    load_le<int64_t>(&bytes[24]),      load_le<int64_t>(&bytes[32]), load_le<int64_t>(&bytes[40])};
}

Result<MergedReader::Place> MergedReader::place(uint32_t page) const {
  if (page == pages_)
    return Place{static_cast<uint32_t>(size_of(kMergedPages)), static_cast<uint32_t>(size_of(kMergedKeys))};
  KHIPU_TRY_ASSIGN(const Bytes bytes, file_->at(sections_[kMergedPlaces] + kPlaceSize * page, kPlaceSize));
  return Place{load_le<uint32_t>(&bytes[0]), load_le<uint32_t>(&bytes[4])};
}

Result<Bytes> MergedReader::key(uint32_t page) const {
  KHIPU_TRY_ASSIGN(const Place from, place(page));
  KHIPU_TRY_ASSIGN(const Place to, place(page + 1));
  if (from.key > to.key || to.key > size_of(kMergedKeys)) return bad("pages that do not follow each other");
  return file_->at(sections_[kMergedKeys] + from.key, to.key - from.key);
}

Result<Bytes> MergedReader::page(uint32_t page) const {
  KHIPU_TRY_ASSIGN(const Place from, place(page));
  KHIPU_TRY_ASSIGN(const Place to, place(page + 1));
  if (from.page > to.page || to.page > size_of(kMergedPages)) return bad("pages that do not follow each other");
  return file_->at(sections_[kMergedPages] + from.page, to.page - from.page);
}

Result<bool> MergedReader::Cursor::next() {
  while (in_.at == in_.end) {
    if (page_ == reader_.pages_) return false;
    KHIPU_TRY_ASSIGN(const Bytes bytes, reader_.page(page_));
    if (passed_) {
      KHIPU_TRY_ASSIGN(const Place place, reader_.place(page_));
      const uint64_t offset = reader_.sections_[kMergedPages] + place.page;
      if (*passed_ / kBlockSize < offset / kBlockSize) {
        reader_.file_->forget(*passed_, offset);
        passed_ = offset - offset % kBlockSize;
      }
    }
    ++page_;
    in_ = {bytes.data(), bytes.data() + bytes.size()};
    term_.begin_page();
  }
  if (const char* const wrong = term_.next(in_.at, in_.end)) return bad(wrong);
  const uint32_t count = in_.get();
  if (in_.failed || count == 0 || count > reader_.name_.count()) return bad("a count that cannot be");
  held_.resize(count);
  uint64_t segment = 0;
  for (Held& held : held_) {
    segment += in_.get();
    held.rows = in_.get();
    if (in_.failed || segment >= reader_.name_.count() || held.rows == 0) return bad("a segment that cannot be");
    held.segment = static_cast<uint32_t>(segment++);
  }
  return true;
}

Result<std::vector<Held>> MergedReader::find(const Term& term) const {
  const std::string_view wanted = as_text(term.view());
  uint32_t from = 0, to = pages_;
  while (to - from > 1) {
    const uint32_t middle = from + (to - from) / 2;
    KHIPU_TRY_ASSIGN(const Bytes key, this->key(middle));
    if (wanted < as_text(key)) {
      to = middle;
    } else {
      from = middle;
    }
  }
  Cursor cursor(*this, from);
  while (pages_ > 0) {
    KHIPU_TRY_ASSIGN(const bool more, cursor.next());
    if (!more || wanted < as_text(cursor.term())) break;
    if (wanted == as_text(cursor.term())) return cursor.held();
  }
  return std::vector<Held>();
}

Result<void> Merger::add(const Reader& index) {
  const Header& header = index.header();
  MergedPart part{header.first_row, header.rows, header.time_min, header.time_max, 0, 0};
  if (header.rows > 0) {
    KHIPU_TRY_ASSIGN(part.recorded_first, index.recorded_of(0));
    KHIPU_TRY_ASSIGN(part.recorded_last, index.recorded_of(header.rows - 1));
  }
  from_.push_back({&index, nullptr, static_cast<uint32_t>(parts_.size())});
  parts_.push_back(part);
  return {};
}

Result<void> Merger::add(const MergedReader& merged) {
  from_.push_back({nullptr, &merged, static_cast<uint32_t>(parts_.size())});
  for (uint32_t i = 0; i < merged.name().count(); ++i) {
    KHIPU_TRY_ASSIGN(const MergedPart part, merged.part(i));
    parts_.push_back(part);
  }
  return {};
}

uint64_t Merger::terms_size() const {
  uint64_t size = 0;
  for (const From& from : from_) {
    if (from.merged != nullptr) {
      size += from.merged->pages_size();
    } else {
      size += table_ == TableId::kRegistry ? from.index->pages_size_to(kBehindNames) : from.index->pages_size();
    }
  }
  return size;
}

// One of the files, term by term. What of a url is a term says little, and takes much room: it stays where it is. Of
// registry/ so do attributes and what is deleted, which are searched for segment by segment; names come before them.
struct Merger::Source {
  Source(TableId of, const From& from) : table(of), base(from.base) {
    if (from.index != nullptr) index.emplace(*from.index, Bytes()).forget_passed();
    if (from.merged != nullptr) merged.emplace(*from.merged).forget_passed();
  }
  Result<bool> next() {
    for (;;) {
      KHIPU_TRY_ASSIGN(const bool more, index ? index->next() : merged->next());
      if (!more) return false;
      term = as_text(index ? index->term() : merged->term());
      const auto field = static_cast<Field>(term.empty() ? 0 : term[0]);
      if (table == TableId::kRegistry) return field <= Field::kName;
      if (field != Field::kUrl) return true;
    }
  }
  template <typename Visit>
  void each(Visit visit) const {
    if (index) return visit(Held{base, index->list().count});
    for (const Held& held : merged->held()) visit(Held{base + held.segment, held.rows});
  }
  TableId table;
  uint32_t base;
  std::string_view term;
  std::optional<Reader::Cursor> index;
  std::optional<MergedReader::Cursor> merged;
};

// A heap's order: the least term on top, of equal ones that of the earlier segments.
struct Merger::Smallest {
  const std::vector<std::unique_ptr<Source>>& sources;
  bool operator()(size_t a, size_t b) const {
    const int order = sources[a]->term.compare(sources[b]->term);
    return order != 0 ? order > 0 : a > b;
  }
};

// What was made so far. Pages, which are most of it, stand in memory that is given back to the kernel piece by piece as
// they are copied to where the file is put together.
class Merger::Written {
 public:
  Buffer places, keys;
  uint32_t terms = 0, page_count = 0;

  uint64_t pages_size() const { return chunks_size_ + page_.size(); }
  Result<void> add(std::string_view term, std::span<const Held> held) {
    if (page_count == 0 || page_.size() >= kPageSize) {
      KHIPU_TRY(put_page());
      ++page_count;
      append_le(places, static_cast<uint32_t>(chunks_size_));
      append_le(places, static_cast<uint32_t>(keys.size()));
      append(keys, as_bytes(term));
      before_.clear();
    }
    append_term(page_, before_, term);
    append_varint(page_, static_cast<uint32_t>(held.size()));
    uint32_t next = 0;
    for (const Held& one : held) {
      append_varint(page_, one.segment - next);
      append_varint(page_, one.rows);
      next = one.segment + 1;
    }
    before_ = term;
    ++terms;
    return {};
  }
  // Once, at the end.
  void move_pages_to(Buffer& bytes) {
    for (std::unique_ptr<os::Pages>& chunk : chunks_) {
      const uint64_t size = std::min(kChunkSize, chunks_size_);
      append(bytes, Bytes(chunk->data(), size));
      chunks_size_ -= size;
      chunk.reset();
    }
    append(bytes, page_);
  }

 private:
  Result<void> put_page() {
    for (Bytes left = page_; !left.empty();) {
      const uint64_t at = chunks_size_ % kChunkSize;
      if (at == 0) {
        KHIPU_TRY_ASSIGN(std::unique_ptr<os::Pages> chunk, os::Pages::take(kChunkSize));
        chunks_.push_back(std::move(chunk));
      }
      const uint64_t size = std::min<uint64_t>(left.size(), kChunkSize - at);
      std::copy_n(left.data(), size, chunks_.back()->data() + at);
      chunks_size_ += size;
      left = left.subspan(size);
    }
    page_.clear();
    return {};
  }
  std::vector<std::unique_ptr<os::Pages>> chunks_;  // all full but the last one
  uint64_t chunks_size_ = 0;
  Buffer page_;  // the one that grows
  std::string before_;
};

Result<void> Merger::merge(Written& into, const Stop& stop) {
  std::vector<std::unique_ptr<Source>> sources;
  std::vector<size_t> heap;
  const Smallest order{sources};
  for (const From& from : from_) {
    sources.push_back(std::make_unique<Source>(table_, from));
    KHIPU_TRY_ASSIGN(const bool any, sources.back()->next());
    if (any) heap.push_back(sources.size() - 1);
  }
  std::make_heap(heap.begin(), heap.end(), order);
  std::string term;
  std::vector<Held> held;
  while (!heap.empty()) {
    term = sources[heap.front()]->term;
    held.clear();
    while (!heap.empty() && sources[heap.front()]->term == term) {
      std::pop_heap(heap.begin(), heap.end(), order);
      Source& source = *sources[heap.back()];
      source.each([&](const Held& one) { held.push_back(one); });
      KHIPU_TRY_ASSIGN(const bool more, source.next());
      if (more) {
        std::push_heap(heap.begin(), heap.end(), order);
      } else {
        heap.pop_back();
      }
    }
    KHIPU_TRY(into.add(term, held));
    if (into.pages_size() + into.keys.size() > UINT32_MAX / 2) return Error{Code::kLimit, "a merged index too large"};
    if (stop && into.terms % kTermsBetweenLooks == 0 && stop()) return Error{Code::kCancelled, "a merged index"};
  }
  return {};
}

Result<Merger::File> Merger::finish(const Stop& stop) {
  KHIPU_ASSERT(parts_.size() == name_.count());
  Written written;
  KHIPU_TRY(merge(written, stop));
  File file;
  file.first_row = parts_.front().first_row;
  for (const MergedPart& part : parts_) {
    if (part.first_row.value != file.first_row.value + file.rows) return bad("segments that do not follow each other");
    file.rows += part.rows;
  }
  Buffer& bytes = file.bytes;
  const uint64_t body =
      kHeaderSize + kPartSize * parts_.size() + written.places.size() + written.keys.size() + written.pages_size();
  bytes.reserve(body + sizeof(Hash) * block_count(body));
  bytes.resize(kHeaderSize);
  std::copy(kMergedMagic.begin(), kMergedMagic.end(), bytes.begin());
  store_le(&bytes[8], kMergedVersion);
  bytes[10] = static_cast<uint8_t>(table_);
  store_le(&bytes[12], static_cast<uint32_t>(parts_.size()));
  store_le(&bytes[16], name_.first.value);
  store_le(&bytes[24], file.first_row.value);
  store_le(&bytes[32], file.rows);
  store_le(&bytes[40], written.terms);
  store_le(&bytes[44], written.page_count);
  size_t section = 48;
  const auto begin = [&] {
    store_le(&bytes[section], static_cast<uint32_t>(bytes.size()));
    section += 4;
  };
  begin();
  for (const MergedPart& part : parts_) {
    append_le(bytes, part.first_row.value);
    append_le(bytes, part.rows);
    for (const TimeUs time : {part.time_min, part.time_max, part.recorded_first, part.recorded_last}) {
      append_le(bytes, time);
    }
  }
  for (const Buffer* part : {&written.places, &written.keys}) {
    begin();
    append(bytes, *part);
  }
  begin();
  written.move_pages_to(bytes);
  begin();
  const std::vector<Hash> hashes = block_hashes(bytes);
  file.root = tree::root_of(hashes);
  for (const Hash& hash : hashes) append(bytes, hash);
  return file;
}

}  // namespace khipu::index
