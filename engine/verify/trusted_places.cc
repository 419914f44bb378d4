#include "engine/verify/trusted_places.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "engine/index/reader.h"
#include "engine/verify/index_check.h"

namespace khipu::verify {
namespace {

class IndexedPlaces {
 public:
  IndexedPlaces(const TablePlan& plan, const std::vector<codec::StatementRecord>& statements, uint64_t stated_to)
      : plan_(plan), stated_(stated_indexes(plan.id, statements, stated_to)) {}

  std::optional<uint64_t> of(SegmentNumber segment, uint64_t row) {
    const std::lock_guard hold(mutex_);
    const codec::IndexStatement* const statement = about(segment, row);
    if (statement == nullptr || !plan_.directory) return std::nullopt;
    auto known = readers_.find(statement->file);
    if (known == readers_.end()) known = readers_.emplace(statement->file, open(*statement)).first;
    const index::Reader* const reader = known->second.get();
    if (reader == nullptr || reader->header().number != segment || reader->header().table != plan_.id) {
      return std::nullopt;
    }
    const uint64_t first = reader->header().first_row.value;
    if (row < first || row - first >= reader->rows()) return std::nullopt;
    const Result<int64_t> offset = reader->offset_of(static_cast<uint32_t>(row - first));
    return offset.ok() ? std::optional(static_cast<uint64_t>(*offset)) : std::nullopt;
  }

 private:
  // Runs of a segment that has an index of its own are compared with nothing.
  const codec::IndexStatement* about(SegmentNumber segment, uint64_t row) const {
    if (const auto whole = stated_.whole.find(segment.value); whole != stated_.whole.end()) {
      return whole->second.statement;
    }
    const auto runs = stated_.runs.find(segment.value);
    if (runs == stated_.runs.end()) return nullptr;
    for (const auto& [number, run] : runs->second) {
      const uint64_t first = run.statement->first_row.value;
      if (row >= first && row - first < run.statement->rows) return run.statement;
    }
    return nullptr;
  }
  // nullptr: not there, or not what the statement says.
  std::unique_ptr<index::Reader> open(const codec::IndexStatement& statement) const {
    auto file = plan_.directory->open_file(statement.file, os::Mode::kRead);
    if (!file.ok()) return nullptr;
    auto blocks = index::BlockFile::open(std::move(file).value(), statement.size, statement.root);
    if (!blocks.ok()) return nullptr;
    auto reader = index::Reader::open(std::move(blocks).value());
    return reader.ok() ? std::move(reader).value() : nullptr;
  }

  const TablePlan& plan_;
  StatedIndexes stated_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<index::Reader>> readers_;
};

}  // namespace

PlaceOf trusted_places(const TablePlan& plan, const std::vector<codec::StatementRecord>& statements,
                       uint64_t stated_to) {
  const auto places = std::make_shared<IndexedPlaces>(plan, statements, stated_to);
  return [places](SegmentNumber segment, uint64_t row) { return places->of(segment, row); };
}

}  // namespace khipu::verify
