#include "engine/verify/merged_check.h"

#include <algorithm>

#include "engine/index/merged.h"

namespace khipu::verify {
namespace {

using Range = std::pair<SegmentNumber, SegmentNumber>;
struct StatedFile {
  uint64_t row = 0;
  const codec::IndexStatement* statement = nullptr;
};

// Makes files anew. Owner: one thread.
class Remake {
 public:
  Remake(const TablePlan& table, const std::vector<codec::StatementRecord>& statements)
      : table_(table), statements_(statements) {
    for (uint64_t row = 0; row < statements.size(); ++row) {
      const auto* const retention = std::get_if<codec::Retention>(&statements[row].body);
      if (retention != nullptr && retention->table == table.id)
        retained_ = SegmentNumber{retention->last_segment.value + 1};
      const auto* const index = std::get_if<codec::IndexStatement>(&statements[row].body);
      if (index == nullptr || index->table != table.id) continue;
      if (const auto number = index::parse_index_name(index->file)) whole_[*number] = index;
      if (const auto merged = index::parse_merged_name(index->file))
        merged_[{merged->first, merged->last}] = {row, index};
    }
  }
  const std::map<Range, StatedFile>& stated() const { return merged_; }
  SegmentNumber retained() const { return retained_; }  // segments below it were let go
  const segment::ManifestEntry* entry(SegmentNumber number) const {
    const auto& all = table_.manifest;
    if (all.empty() || number < all.front().number || number > all.back().number) return nullptr;
    return &all[number.value - all.front().number.value];
  }
  // nullopt: rows of it cannot be read.
  Result<std::optional<index::Merger::File>> make(const index::MergedName& name) const {
    std::vector<std::unique_ptr<index::Reader>> indexes;
    std::vector<std::unique_ptr<index::MergedReader>> parts;
    index::Merger merger(table_.id, name);
    const uint64_t step = name.count() / index::kMergeFan;
    for (uint64_t i = 0; i < index::kMergeFan; ++i) {
      const SegmentNumber first{name.first.value + i * step};
      if (step == 1) {
        const segment::ManifestEntry& segment = *entry(first);
        if (segment.footer.rows == 0) {
          merger.add_empty(segment.footer.first_row);
          continue;
        }
        KHIPU_TRY_ASSIGN(auto index, index_of(segment));
        if (!index) return std::optional<index::Merger::File>();
        indexes.push_back(std::move(index));
        KHIPU_TRY(merger.add(*indexes.back()));
      } else {
        KHIPU_TRY_ASSIGN(auto part, part_of(index::merged_around(first, step)));
        if (!part) return std::optional<index::Merger::File>();
        parts.push_back(std::move(part));
        KHIPU_TRY(merger.add(*parts.back()));
      }
    }
    KHIPU_TRY_ASSIGN(index::Merger::File file, merger.finish());
    return std::optional(std::move(file));
  }

 private:
  // nullptr: not there, or not what the statement says.
  std::unique_ptr<index::BlockFile> blocks(const codec::IndexStatement& statement) const {
    auto file = table_.directory->open_file(statement.file, os::Mode::kRead);
    if (!file.ok()) return nullptr;
    auto blocks = index::BlockFile::open(std::move(file).value(), statement.size, statement.root);
    if (!blocks.ok()) return nullptr;
    const uint64_t size = blocks.value()->size();
    for (uint64_t at = 0; at < size; at += index::kBlockSize) {
      if (!blocks.value()->at(at, std::min(index::kBlockSize, size - at)).ok()) return nullptr;
      blocks.value()->forget(at, at + index::kBlockSize);  // it is read again where there are terms to take
    }
    return std::move(blocks).value();
  }
  Result<std::unique_ptr<index::Reader>> index_of(const segment::ManifestEntry& entry) const {
    if (const auto known = whole_.find(entry.number); known != whole_.end()) {
      if (auto there = blocks(*known->second)) return index::Reader::open(std::move(there));
    }
    KHIPU_TRY_ASSIGN(std::optional<Buffer> body, index_body(*table_.directory, table_.id, entry, statements_));
    if (!body) return std::unique_ptr<index::Reader>();
    return index::Reader::open(index::BlockFile::of(*std::move(body)));
  }
  Result<std::unique_ptr<index::MergedReader>> part_of(const index::MergedName& name) const {
    if (const auto known = merged_.find({name.first, name.last}); known != merged_.end()) {
      if (auto there = blocks(*known->second.statement)) return index::MergedReader::open(std::move(there));
    }
    KHIPU_TRY_ASSIGN(std::optional<index::Merger::File> made, make(name));
    if (!made) return std::unique_ptr<index::MergedReader>();
    made->bytes.resize(index::body_size(made->bytes.size()).value());
    return index::MergedReader::open(index::BlockFile::of(std::move(made->bytes)));
  }

  const TablePlan& table_;
  const std::vector<codec::StatementRecord>& statements_;
  std::map<SegmentNumber, const codec::IndexStatement*> whole_;
  std::map<Range, StatedFile> merged_;
  SegmentNumber retained_;
};

}  // namespace

Result<void> check_merged(const TablePlan& table, const std::vector<codec::StatementRecord>& statements,
                          const IndexScope& scope, Findings& findings, const Control& control) {
  if (!index::is_indexed(table.id) || !table.directory) return {};
  const Remake remake(table, statements);
  for (const auto& [range, stated] : remake.stated()) {
    if (control.stopped()) return {};
    const codec::IndexStatement& statement = *stated.statement;
    const index::MergedName name{range.first, range.second};
    if (name.first < remake.retained()) continue;
    const segment::ManifestEntry* const first = remake.entry(name.first);
    const segment::ManifestEntry* const last = remake.entry(name.last);
    IndexSubject subject{table.id, name.first, statement.first_row, statement.rows};
    if (first == nullptr || last == nullptr) {
      BuiltIndex none;  // of segments that are not sealed: nothing makes this
      judge_index(subject, statement, none, findings);
      continue;
    }
    subject.first_row = first->footer.first_row;
    subject.rows = last->footer.first_row.value + last->footer.rows - subject.first_row.value;
    std::unique_ptr<os::File> file;
    BuiltIndex built;
    auto opened = table.directory->open_file(statement.file, os::Mode::kRead);
    if (opened.ok()) {
      file = std::move(opened).value();
      KHIPU_TRY_ASSIGN(built.there, file->size());
    } else if (opened.error().code != Code::kNotFound) {
      return std::move(opened).error();
    }
    if (name.last < scope.anew && stated.row < scope.stated_from) {
      if (auto wrong = check_index_file(subject, statement, built.there)) findings.add(*std::move(wrong));
      continue;
    }
    KHIPU_TRY_ASSIGN(const std::optional<index::Merger::File> made, remake.make(name));
    if (!made) continue;
    built.root = made->root;
    built.size = made->bytes.size();
    if (file) {
      KHIPU_TRY_ASSIGN(built.difference, first_difference(*file, made->bytes));
    }
    judge_index(subject, statement, built, findings);
  }
  return {};
}

}  // namespace khipu::verify
