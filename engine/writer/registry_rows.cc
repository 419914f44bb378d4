#include "engine/writer/registry_rows.h"

#include <fmt/format.h>

#include "engine/base/assert.h"
#include "engine/codec/frame.h"
#include "engine/codec/record.h"
#include "engine/segment/format.h"
#include "engine/segment/reader.h"

namespace khipu::writer {
namespace {

struct Newest {
  size_t key_at = 0, key_size = 0;
  uint32_t row = 0;
};

}  // namespace

Result<std::unique_ptr<RegistryRows>> RegistryRows::open(os::Directory& root) {
  std::unique_ptr<RegistryRows> rows(new RegistryRows());
  KHIPU_TRY_ASSIGN(rows->directory_, root.open_directory(table_name(TableId::kRegistry)));
  return rows;
}

Result<std::unique_ptr<index::Reader>> RegistryRows::open_index(const SegmentRows& rows,
                                                                const codec::IndexStatement& statement) {
  KHIPU_TRY_ASSIGN(auto file, directory_->open_file(statement.file, os::Mode::kRead));
  KHIPU_TRY_ASSIGN(auto blocks, index::BlockFile::open(std::move(file), statement.size, statement.root));
  KHIPU_TRY_ASSIGN(auto reader, index::Reader::open(std::move(blocks)));
  const index::Header& header = reader->header();
  if (header.table != TableId::kRegistry || header.number != rows.number || header.first_row != rows.first ||
      header.rows != rows.rows || statement.rows != rows.rows) {
    return Error{Code::kCorrupt, "it is the index of other rows"};
  }
  return reader;
}

Result<bool> RegistryRows::add(const SegmentRows& segment, Row file_first, const codec::IndexStatement& statement,
                               const Visit& visit) {
  std::unique_ptr<index::Reader> for_places;  // another one: blocks of names are not kept
  const auto usable = [&]() -> Result<void> {
    // A writer that starts without its records would only say so when somebody is named.
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> records, directory_->stat(segment::segment_name(segment.number)));
    if (!records) return Error{Code::kNotFound, segment::segment_name(segment.number) + " is not there"};
    KHIPU_TRY_ASSIGN(const auto reader, open_index(segment, statement));
    KHIPU_TRY_ASSIGN(const index::Column entities, reader->entities());
    KHIPU_TRY_ASSIGN(for_places, open_index(segment, statement));
    std::vector<Newest> found;  // first all of it, then visit: what is half read is replayed instead
    std::string keys;
    Result<void> walked;
    const uint8_t field = static_cast<uint8_t>(index::Field::kName);
    KHIPU_TRY(reader->each(Bytes(&field, 1), [&](Bytes term, const index::List& list) {
      Result<uint32_t> last = reader->last(list);
      if (!last.ok()) {
        walked = std::move(last).error();
        return false;
      }
      found.push_back({keys.size(), term.size(), *last});
      keys.append(as_text(term));
      return true;
    }));
    KHIPU_TRY(std::move(walked));
    for (const Newest& one : found) {
      visit(std::string_view(keys).substr(one.key_at, one.key_size), Row{static_cast<uint64_t>(entities[one.row])},
            Row{segment.first.value + one.row});
    }
    return {};
  };
  const Result<void> used = usable();
  if (used.ok()) {
    segments_.emplace(segment.first.value, Segment{segment, file_first, std::move(for_places), {}, nullptr});
    return true;
  }
  // Gone or damaged: evidence for verify, no reason not to start.
  if (used.error().code == Code::kNotFound || used.error().code == Code::kCorrupt) return false;
  return used.error();
}

// As the index says; if it is damaged, by a walk through the segment.
Result<uint64_t> RegistryRows::place_of(Segment& segment, Row row) {
  if (segment.walked.empty()) {
    const Result<index::Column> offsets = segment.index->offsets();
    if (offsets.ok()) {
      return static_cast<uint64_t>((*offsets)[static_cast<uint32_t>(row.value - segment.rows.first.value)]);
    }
    segment::Reader reader(*segment.file, segment::kHeaderSize, segment.rows.end);
    while (segment.walked.size() < segment.rows.first.value + segment.rows.rows - segment.file_first.value) {
      KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
      if (step.kind != segment::Step::Kind::kFrame) break;
      if (codec::is_row(step.frame.kind)) segment.walked.push_back(step.offset);
    }
  }
  const uint64_t at = row.value - segment.file_first.value;
  if (at < segment.walked.size()) return segment.walked[at];
  return Error{Code::kCorrupt, "neither its index nor its frames lead there: run `khipu verify`"};
}

Result<Buffer> RegistryRows::read(Row row) {
  auto found = segments_.upper_bound(row.value);
  KHIPU_ASSERT(found != segments_.begin());
  Segment& segment = std::prev(found)->second;
  const std::string name = segment::segment_name(segment.rows.number);
  if (!segment.file) {
    KHIPU_TRY_ASSIGN(segment.file, at(name, directory_->open_file(name, os::Mode::kRead)));
  }
  KHIPU_TRY_ASSIGN(const uint64_t offset, at(name, place_of(segment, row)));
  const auto damaged = [&] {
    return Error{Code::kCorrupt, fmt::format("{}: no sound version at byte {}: run `khipu verify`", name, offset)};
  };
  if (offset >= segment.rows.end || segment.rows.end - offset < codec::kFrameHeaderSize) return damaged();
  // Versions are short: the first read usually has all of it.
  Buffer bytes(std::min<uint64_t>(512, segment.rows.end - offset));
  KHIPU_TRY(at(name, segment.file->read_exactly(offset, bytes)));
  const uint64_t size = codec::kFrameHeaderSize + uint64_t{load_le<uint32_t>(bytes.data())};
  if (size > segment.rows.end - offset) return damaged();
  if (size > bytes.size()) {
    bytes.resize(size);
    KHIPU_TRY(at(name, segment.file->read_exactly(offset, bytes)));
  }
  const codec::ParsedFrame parsed = codec::parse_frame(bytes);
  if (parsed.fault != codec::FrameFault::kNone) return damaged();
  return Buffer(parsed.frame.payload.begin(), parsed.frame.payload.end());
}

}  // namespace khipu::writer
