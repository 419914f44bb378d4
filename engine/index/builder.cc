#include "engine/index/builder.h"

#include <algorithm>
#include <numeric>

#include "engine/base/assert.h"
#include "engine/codec/protected.h"
#include "engine/index/columns.h"
#include "engine/index/front_coding.h"
#include "engine/tree/tree.h"

namespace khipu::index {
namespace {

void append_deltas(Buffer& to, std::span<const uint32_t> list) {
  uint32_t before = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    append_varint(to, i == 0 ? list[0] : list[i] - before - 1);
    before = list[i];
  }
}

// Every row has the term: nothing is said. One row in eight or more: bits. Fewer: differences.
void append_list(Buffer& to, std::span<const uint32_t> list, uint32_t rows) {
  if (list.size() == rows) return;
  if (uint64_t{8} * list.size() < rows) return append_deltas(to, list);
  const size_t from = to.size();
  to.resize(from + (rows + 7) / 8);
  for (const uint32_t row : list) to[from + row / 8] = static_cast<uint8_t>(to[from + row / 8] | 1U << (row % 8));
}

// The dictionary, growing page by page.
struct Dictionary {
  Buffer pages, lists, places, keys;
  uint32_t count = 0;
  std::string_view before;
  size_t page_start = 0;

  void add(std::string_view term, std::span<const uint32_t> list, uint32_t rows) {
    if (count == 0 || pages.size() - page_start >= kPageSize) {
      page_start = pages.size();
      ++count;
      append_le(places, static_cast<uint32_t>(page_start));
      append_le(places, static_cast<uint32_t>(lists.size()));
      append_le(places, static_cast<uint32_t>(keys.size()));
      append(keys, as_bytes(term));
      before = {};
    }
    append_term(pages, before, term);
    append_varint(pages, static_cast<uint32_t>(list.size()));
    if (list.size() <= kInlineRowsMax) {
      append_deltas(pages, list);
    } else {
      const size_t from = lists.size();
      append_list(lists, list, rows);
      append_varint(pages, static_cast<uint32_t>(lists.size() - from));
    }
    before = term;
  }
};

}  // namespace

std::vector<Hash> block_hashes(Bytes body) {
  std::vector<Hash> hashes;
  tree::LeafHasher hasher(hashes);
  for (size_t at = 0; at < body.size(); at += kBlockSize) {
    hasher.add(body.subspan(at, std::min<size_t>(kBlockSize, body.size() - at)));
  }
  hasher.finish();
  return hashes;
}

Builder::Builder(SegmentNumber number, Row first_row, std::vector<uint32_t> indexed_columns)
    : indexed_columns_(std::move(indexed_columns)) {
  header_.number = number;
  header_.first_row = first_row;
}

Builder Builder::of_registry(SegmentNumber number, Row first_row) {
  Builder builder(number, first_row, {});
  builder.header_.table = TableId::kRegistry;
  return builder;
}

Result<uint32_t> Builder::add_row(uint64_t frame_offset, TimeUs time, TimeUs recorded_at) {
  if (header_.rows == kRowsMax) return Error{Code::kLimit, "more rows than an index can have"};
  const uint32_t row = header_.rows++;
  if (row == 0) {
    header_.time_min = header_.time_max = time;
  } else {
    header_.in_order &= time >= times_.back();
    header_.time_min = std::min(header_.time_min, time);
    header_.time_max = std::max(header_.time_max, time);
  }
  times_.push_back(time);
  recorded_.push_back(recorded_at);
  offsets_.push_back(static_cast<int64_t>(frame_offset));
  return row;
}

Result<void> Builder::add(uint64_t frame_offset, Bytes payload) {
  if (header_.table == TableId::kRegistry) {
    KHIPU_TRY(codec::decode_version(payload, version_));
    return add(frame_offset, version_);
  }
  KHIPU_TRY(codec::decode_event(payload, event_));
  return add(frame_offset, event_);
}

Result<void> Builder::add(uint64_t frame_offset, const codec::VersionRecord& version) {
  KHIPU_ASSERT(header_.table == TableId::kRegistry);
  KHIPU_TRY_ASSIGN(const uint32_t row, add_row(frame_offset, version.time, version.recorded_at));
  const Row entity = version.entity.value_or(Row{header_.first_row.value + row});
  entities_.push_back(static_cast<int64_t>(entity.value));
  terms_.add(name_term(version.type, version.id).view(), row);
  return {};
}

Result<void> Builder::add(uint64_t frame_offset, const codec::EventRecord& event) {
  KHIPU_ASSERT(header_.table == TableId::kLogs);
  KHIPU_TRY_ASSIGN(const uint32_t row, add_row(frame_offset, event.occurred_at, event.recorded_at));
  add_entity(Field::kActor, event.actor.entity, row);
  for (const codec::Pin& target : event.targets) add_entity(Field::kTarget, target.entity, row);
  terms_.add(word_term(Field::kAction, event.action).view(), row);
  add_code(Field::kActionClass, static_cast<uint8_t>(event.action_class), row);
  add_code(Field::kOutcome, static_cast<uint8_t>(event.outcome), row);
  terms_.add(word_term(Field::kSource, event.source).view(), row);
  if (!event.url.empty()) terms_.add(word_term(Field::kUrl, event.url).view(), row);
  for (const codec::ColumnValue& value : event.custom) {
    if (!std::binary_search(indexed_columns_.begin(), indexed_columns_.end(), value.column)) continue;
    if (value.value.is_protected()) {
      KHIPU_TRY(add_protected(value, row));
    } else {
      terms_.add(column_term(value.column, value.value).view(), row);
    }
  }
  return {};
}

// Tokens and digests are in the record, so no key is needed to build an index, now or again.
Result<void> Builder::add_protected(const codec::ColumnValue& column, uint32_t row) {
  KHIPU_TRY_ASSIGN(const codec::ProtectedValue value, codec::decode_protected(as_bytes(column.value.text)));
  if (value.kind == codec::Protection::kDigest) terms_.add(digest_term(column.column, value.value).view(), row);
  for (size_t i = 0; i < value.indexes; ++i) {
    codec::Token token;
    for (size_t at = 0; at < value.tokens[i].size(); at += token.size()) {
      std::memcpy(token.data(), value.tokens[i].data() + at, token.size());
      terms_.add(token_term(column.column, static_cast<uint8_t>(i), token).view(), row);
    }
  }
  return {};
}

void Builder::add_entity(Field field, Row entity, uint32_t row) {
  terms_.add_number(static_cast<uint8_t>(field), entity.value, entity_term(field, entity).view(), row);
}

void Builder::add_code(Field field, uint8_t code, uint32_t row) {
  terms_.add_code(static_cast<uint8_t>(field), code, code_term(field, code).view(), row);
}

Result<Buffer> Builder::body() {
  KHIPU_TRY(terms_.check_bounds());
  Dictionary dictionary;
  const TermLists::Ordered lists(terms_);
  for (size_t i = 0; i < lists.size(); ++i) dictionary.add(lists.term(i), lists.rows(i), header_.rows);
  header_.terms = terms_.count();
  header_.pages = dictionary.count;

  Buffer bytes(kHeaderSize);
  uint64_t section = 0;
  const auto begin = [&] { header_.sections[section++] = static_cast<uint32_t>(bytes.size()); };
  begin();
  append(bytes, dictionary.places);
  append(bytes, dictionary.keys);
  begin();
  append(bytes, dictionary.pages);
  begin();
  append(bytes, dictionary.lists);
  for (const std::vector<int64_t>* column : {&times_, &recorded_, &offsets_}) {
    begin();
    append_column(bytes, *column);
  }
  begin();
  if (header_.table == TableId::kRegistry) {
    append_column(bytes, entities_);
  } else if (!header_.in_order) {
    std::vector<int64_t> by_time(header_.rows);
    std::iota(by_time.begin(), by_time.end(), 0);
    std::stable_sort(by_time.begin(), by_time.end(), [&](int64_t a, int64_t b) {
      return times_[static_cast<size_t>(a)] < times_[static_cast<size_t>(b)];
    });
    append_column(bytes, by_time);
  }
  if (bytes.size() > UINT32_MAX) return Error{Code::kLimit, "the index of a segment would not fit 4 GiB"};
  begin();
  const auto header = encode_header(header_);
  std::copy(header.begin(), header.end(), bytes.begin());
  return bytes;
}

Result<Builder::File> Builder::finish() {
  File file;
  KHIPU_TRY_ASSIGN(file.bytes, body());
  const std::vector<Hash> hashes = block_hashes(file.bytes);
  file.root = tree::root_of(hashes);
  for (const Hash& hash : hashes) append(file.bytes, hash);
  return file;
}

}  // namespace khipu::index
