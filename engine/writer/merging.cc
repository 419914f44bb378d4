// Merged files: once 16 segments of a table have their indexes, and 16 such files are there, one is made of them, by
// the indexer's thread and when it has nothing else to do. The files: engine/index/merged.h; indexes: indexing.cc.
#include <algorithm>
#include <array>
#include <optional>

#include "engine/index/merged.h"
#include "engine/segment/reader.h"
#include "engine/writer/writer_impl.h"

namespace khipu::writer {
namespace {

uint64_t segments_at(size_t level) {  // of one file; level 0: of an index
  uint64_t count = 1;
  for (; level > 0; --level) count *= index::kMergeFan;
  return count;
}

// The parts of one file, open and held against their statements.
class Parts {
 public:
  Parts(os::Directory& folder, TableId table, const segment::Manifest& manifest)
      : folder_(folder), table_(table), manifest_(manifest) {}
  Result<void> add(SegmentNumber number, const std::optional<codec::IndexStatement>& statement, index::Merger& to) {
    if (number.value >= manifest_.entries.size()) return Error{Code::kCorrupt, "the manifest lost an entry"};
    const segment::Footer& footer = manifest_.entries[number.value].footer;
    if (footer.rows == 0) {
      to.add_empty(footer.first_row);
      return {};
    }
    KHIPU_TRY_ASSIGN(auto blocks, open(statement));
    KHIPU_TRY_ASSIGN(std::unique_ptr<index::Reader> index, index::Reader::open(std::move(blocks)));
    if (index->header().table != table_ || index->header().number != number ||
        index->header().first_row != footer.first_row || index->rows() != footer.rows) {
      return Error{Code::kCorrupt, "the index of other rows"};
    }
    indexes_.push_back(std::move(index));
    return to.add(*indexes_.back());
  }
  Result<void> add(const index::MergedName& name, const std::optional<codec::IndexStatement>& statement,
                   index::Merger& to) {
    KHIPU_TRY_ASSIGN(const bool any, has_rows(name));
    if (!any) {  // then there is no such file
      for (uint64_t i = name.first.value; i <= name.last.value; ++i)
        to.add_empty(manifest_.entries[i].footer.first_row);
      return {};
    }
    KHIPU_TRY_ASSIGN(auto blocks, open(statement));
    KHIPU_TRY_ASSIGN(std::unique_ptr<index::MergedReader> merged, index::MergedReader::open(std::move(blocks)));
    if (merged->table() != table_ || merged->name() != name)
      return Error{Code::kCorrupt, "a merged index of other segments"};
    merged_.push_back(std::move(merged));
    return to.add(*merged_.back());
  }

  // False: they are of commits alone.
  Result<bool> has_rows(const index::MergedName& name) const {
    if (name.last.value >= manifest_.entries.size()) return Error{Code::kCorrupt, "the manifest lost an entry"};
    for (uint64_t i = name.first.value; i <= name.last.value; ++i) {
      if (manifest_.entries[i].footer.rows > 0) return true;
    }
    return false;
  }

 private:
  Result<std::unique_ptr<index::BlockFile>> open(const std::optional<codec::IndexStatement>& statement) {
    if (!statement) return Error{Code::kNotFound, "a part has no index"};
    KHIPU_TRY_ASSIGN(auto file, folder_.open_file(statement->file, os::Mode::kRead));
    return index::BlockFile::open(std::move(file), statement->size, statement->root);
  }
  os::Directory& folder_;
  const TableId table_;
  const segment::Manifest& manifest_;
  std::vector<std::unique_ptr<index::Reader>> indexes_;
  std::vector<std::unique_ptr<index::MergedReader>> merged_;
};

}  // namespace

// The next range that all parts were seen to of, the smallest first.
std::optional<Writer::Impl::ToMerge> Writer::Impl::to_merge() const {
  for (const TableId table : index::kIndexedTables) {
    uint64_t seen_to = index_next[index_of(table)];
    for (size_t level = 1; level <= index::kMergeLevels; ++level) {
      const uint64_t count = segments_at(level), first = merge_next[index_of(table)][level - 1] * count;
      if (first + count <= seen_to) return ToMerge{table, index::merged_around(SegmentNumber{first}, count)};
      seen_to = std::min(seen_to, first);
    }
  }
  return std::nullopt;
}

// What cannot be merged stays as it is until the next start: a look-up asks the parts.
Result<void> Writer::Impl::merge_one(const ToMerge& what, std::unique_lock<std::mutex>& hold) {
  const TableId table = what.table;
  const index::MergedName& name = what.name;
  const bool retained = name.first.value >= rules->retained_segment[index_of(table)].value;
  const uint64_t step = name.count() / index::kMergeFan;
  const auto stated_now = [](const auto& all, const auto& key) {
    const auto found = all.find(key);
    return found == all.end() ? std::nullopt : std::optional<codec::IndexStatement>(found->second);
  };
  const std::optional<codec::IndexStatement> known = stated_now(merged, std::tuple(table, name.first, name.last));
  std::array<std::optional<codec::IndexStatement>, index::kMergeFan> stated;  // of the parts
  for (uint64_t i = 0; i < stated.size(); ++i) {
    const index::MergedName part = index::merged_around(SegmentNumber{name.first.value + i * step}, step);
    stated[i] = step == 1 ? stated_now(indexes, std::pair(table, part.first))
                          : stated_now(merged, std::tuple(table, part.first, part.last));
  }
  hold.unlock();
  const auto ending = [&] {
    const std::lock_guard look(mutex);
    return stopping || !poisoned.empty();
  };
  const auto build = [&]() -> Result<std::optional<codec::IndexStatement>> {
    std::optional<codec::IndexStatement> none;
    if (!retained) return none;
    KHIPU_TRY_ASSIGN(const auto folder, environment.root.open_directory(table_name(table)));
    if (known) {
      KHIPU_TRY_ASSIGN(const bool present, index_present(*folder, *known));
      if (present) return none;
    }
    KHIPU_TRY_ASSIGN(const segment::Manifest manifest, segment::read_manifest(*folder));
    Parts parts(*folder, table, manifest);
    KHIPU_TRY_ASSIGN(const bool any, parts.has_rows(name));
    if (!any) return none;
    index::Merger merger(table, name);
    for (uint64_t i = 0; i < stated.size(); ++i) {
      const index::MergedName part = index::merged_around(SegmentNumber{name.first.value + i * step}, step);
      KHIPU_TRY(step == 1 ? parts.add(part.first, stated[i], merger) : parts.add(part, stated[i], merger));
    }
    if (merger.terms_size() > index::kMergeBytesMax) return Error{Code::kLimit, "parts too large to be merged"};
    KHIPU_TRY_ASSIGN(const index::Merger::File file, merger.finish(ending));
    codec::IndexStatement statement;
    statement.table = table;
    statement.file = index::merged_name(name);
    statement.first_row = file.first_row;
    statement.rows = file.rows;
    statement.size = file.bytes.size();
    statement.root = file.root;
    KHIPU_TRY(folder->replace_file(statement.file, file.bytes));
    if (known && known->root == statement.root) return none;
    return std::optional(std::move(statement));
  };
  Result<std::optional<codec::IndexStatement>> made =
      at(std::string(table_name(table)) + "/" + index::merged_name(name), build());
  hold.lock();
  if (!made.ok() && made.error().code == Code::kCancelled) return {};  // the next start makes it
  size_t level = 1;
  while (segments_at(level) != name.count()) ++level;
  ++merge_next[index_of(table)][level - 1];
  if (!made.ok() && made.error().code == Code::kLimit) return {};  // by its size: nothing is wrong
  if (!made.ok()) return std::move(made).error();
  if (*made) {
    merged[{table, name.first, name.last}] = **made;
    state_index(**std::move(made));
  }
  return {};
}

}  // namespace khipu::writer
