#include "engine/index/builder.h"

#include <algorithm>
#include <numeric>

#include "engine/base/assert.h"
#include "engine/codec/protected.h"
#include "engine/index/attributes.h"
#include "engine/index/columns.h"
#include "engine/os/pages.h"
#include "engine/tree/tree.h"

namespace khipu::index {

static constexpr size_t kColumnsRowEstimate = 8;  // bytes of a row in all columns; an index outgrows it at no harm

std::vector<Hash> block_hashes(Bytes body) {
  std::vector<Hash> hashes;
  tree::LeafHasher hasher(hashes);
  for (size_t at = 0; at < body.size(); at += kBlockSize) {
    hasher.add(body.subspan(at, std::min<size_t>(kBlockSize, body.size() - at)));
  }
  hasher.finish();
  return hashes;
}

Builder::Builder(SegmentNumber number, Row first_row, std::vector<uint32_t> indexed_columns) {
  begin(number, first_row, std::move(indexed_columns));
}

Builder Builder::of_registry(SegmentNumber number, Row first_row) {
  Builder builder(number, first_row, {});
  builder.header_.table = TableId::kRegistry;
  return builder;
}

void Builder::begin(SegmentNumber number, Row first_row, std::vector<uint32_t> indexed_columns) {
  header_ = Header();
  header_.number = number;
  header_.first_row = first_row;
  indexed_columns_ = std::move(indexed_columns);
  for (std::vector<int64_t>* column : {&times_, &recorded_, &offsets_, &entities_}) column->clear();
  terms_.clear();
  dictionary_.clear();
}

void Builder::begin_registry(SegmentNumber number, Row first_row) {
  begin(number, first_row, {});
  header_.table = TableId::kRegistry;
}

void Builder::expect(size_t rows) {
  for (std::vector<int64_t>* column : {&times_, &recorded_, &offsets_}) os::reserve_large(*column, rows);
  if (header_.table == TableId::kRegistry) {
    os::reserve_large(entities_, rows);
  } else {
    terms_.expect_events(rows);
  }
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
  if (version.deleted) terms_.add(deleted_term().view(), row);
  return each_attribute(version, [&](Bytes term) { terms_.add(term, row); });
}

Result<void> Builder::add(uint64_t frame_offset, const codec::EventRecord& event) {
  KHIPU_ASSERT(header_.table == TableId::kLogs);
  KHIPU_TRY_ASSIGN(const uint32_t row, add_row(frame_offset, event.occurred_at, event.recorded_at));
  if (!event.url.empty()) terms_.add_url(event.url, row);
  terms_.add_number(Field::kActor, event.actor.entity.value, row);
  for (const codec::Pin& target : event.targets) terms_.add_number(Field::kTarget, target.entity.value, row);
  terms_.add_word(Field::kAction, event.action, row);
  terms_.add_code(Field::kActionClass, static_cast<uint8_t>(event.action_class), row);
  terms_.add_code(Field::kOutcome, static_cast<uint8_t>(event.outcome), row);
  terms_.add_word(Field::kSource, event.source, row);
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

Result<Buffer> Builder::body_as(uint16_t version) {
  header_.version = version;
  header_.terms = 0;
  dictionary_.clear();
  const bool known = header_.table == TableId::kLogs || header_.has_attributes();
  KHIPU_TRY(terms_.each([&](std::string_view term, std::span<const uint32_t> rows) {
    if (!known && static_cast<uint8_t>(term[0]) >= static_cast<uint8_t>(Field::kAttribute)) return;
    ++header_.terms;
    dictionary_.add(term, rows, header_.rows);
  }));
  header_.pages = dictionary_.count();

  Buffer bytes = std::move(spare_);
  bytes.clear();
  bytes.reserve(kHeaderSize + dictionary_.size() + kColumnsRowEstimate * header_.rows);
  bytes.resize(kHeaderSize);
  uint64_t section = 0;
  const auto begin = [&] { header_.sections[section++] = static_cast<uint32_t>(bytes.size()); };
  begin();
  append(bytes, dictionary_.places());
  append(bytes, dictionary_.keys());
  begin();
  append(bytes, dictionary_.pages());
  begin();
  append(bytes, dictionary_.lists());
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

Result<Builder::File> Builder::finish(const Hash& root) {
  const uint16_t newest = newest_version(header_.table);
  for (uint16_t version = newest; version > 0; --version) {
    KHIPU_TRY_ASSIGN(File file, finish_as(version));
    if (file.root == root || newest == 1) return file;
  }
  return finish();
}

Result<Builder::File> Builder::finish_as(uint16_t version) {
  File file;
  KHIPU_TRY_ASSIGN(file.bytes, body_as(version));
  const std::vector<Hash> hashes = block_hashes(file.bytes);
  file.root = tree::root_of(hashes);
  for (const Hash& hash : hashes) append(file.bytes, hash);
  return file;
}

}  // namespace khipu::index
