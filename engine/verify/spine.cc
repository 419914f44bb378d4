#include "engine/verify/spine.h"

#include <fmt/format.h>

namespace khipu::verify {
namespace {

Finding at_row(std::string_view code, uint64_t row, std::string detail) {
  Finding found;
  found.code = code;
  found.rank = Rank::kHead;
  found.table = TableId::kMeta;
  found.row = Row{row};
  found.file = table_name(TableId::kMeta);
  found.detail = std::move(detail);
  return found;
}

class Heads {
 public:
  Heads(const Plans& plans, const Trails& trails, const State* since, Findings& findings)
      : plans_(plans), trails_(trails), since_(since), findings_(findings) {}

  void take(uint64_t row, const codec::TableHead& head) {
    const TableTrail& trail = *trails_[index_of(head.table)];
    std::optional<codec::TableHead>& before = last_[index_of(head.table)];
    if (before && head.size < before->size) {
      Finding found =
          at_row(code::kHeadInconsistent, row,
                 fmt::format("a TABLE_HEAD of {} with fewer rows than the one before", table_name(head.table)));
      found.expected = fmt::format("at least {} rows", before->size);
      found.actual = fmt::format("{} rows", head.size);
      findings_.add(std::move(found));
    } else if (!trail.broken() && (since_ == nullptr || head.size >= since_->tables[index_of(head.table)].size)) {
      const TablePosition* old = since_ == nullptr ? nullptr : &since_->tables[index_of(head.table)];
      const std::optional<Hash> there =
          old != nullptr && head.size == old->size ? std::optional(old->root) : trail.root_at(head.size);
      if (!there || *there != head.root) {
        Finding found =
            at_row(code::kHeadInconsistent, row,
                   fmt::format("a TABLE_HEAD of {} that is not what the table was", table_name(head.table)));
        found.expected = there ? fmt::format("size {} root {}", head.size, short_hash(*there)) : "rows that are there";
        found.actual = fmt::format("size {} root {}", head.size, short_hash(head.root));
        findings_.add(std::move(found));
      }
    }
    sealed(row, head);
    before = head;
  }

 private:
  void sealed(uint64_t row, const codec::TableHead& head) {
    if (!plans_[index_of(head.table)].directory) return;  // its manifest was not read
    const std::vector<segment::ManifestEntry>& manifest = plans_[index_of(head.table)].manifest;
    uint64_t& next = sealed_[index_of(head.table)];
    for (const codec::SealedSegment& segment : head.sealed) {
      std::string wrong;
      if (amiss(segment.number.value != next)) {
        wrong = fmt::format("segment {} where {} comes next", segment.number.value, next);
      } else if (segment.number.value >= manifest.size()) {
        if (amiss(true)) wrong = fmt::format("segment {}, which the manifest does not have", segment.number.value);
      } else if (const segment::ManifestEntry& entry = manifest[segment.number.value];
                 amiss(codec::SealedSegment{entry.number, entry.footer.first_row, entry.footer.rows, entry.file_size} !=
                       segment)) {
        wrong = fmt::format("segment {} other than the manifest", segment.number.value);
      }
      next = segment.number.value + 1;
      if (wrong.empty()) continue;
      Finding found = at_row(code::kHeadInconsistent, row,
                             fmt::format("a TABLE_HEAD of {} names {}", table_name(head.table), wrong));
      found.expected =
          fmt::format("first row {} rows {} bytes {}", segment.first_row.value, segment.rows, segment.file_size);
      findings_.add(std::move(found));
    }
  }

  const Plans& plans_;
  const Trails& trails_;
  const State* since_;
  Findings& findings_;
  std::array<std::optional<codec::TableHead>, kTableCount> last_;
  std::array<uint64_t, kTableCount> sealed_{};
};

}  // namespace

void want_table_heads(const std::vector<codec::StatementRecord>& statements, Trails& trails) {
  for (const codec::StatementRecord& statement : statements) {
    if (const auto* head = std::get_if<codec::TableHead>(&statement.body))
      trails[index_of(head->table)]->want(head->size);
  }
}

void check_spine(const std::vector<codec::StatementRecord>& statements, const Plans& plans, const Trails& trails,
                 const State* since, Findings& findings) {
  Heads heads(plans, trails, since, findings);
  for (size_t row = 0; row < statements.size(); ++row) {
    const codec::Statement& body = statements[row].body;
    if (const auto* head = std::get_if<codec::TableHead>(&body)) heads.take(row, *head);
    if (const auto* rollback = std::get_if<codec::Rollback>(&body)) {
      Finding found =
          at_row(code::kRollback, row,
                 "an operator accepted an older copy: what was signed after it, up to the commit below, is lost");
      found.information = true;
      found.expected = fmt::format("commit {} {}", rollback->lost_commit.value, short_hash(rollback->lost_hash));
      findings.add(std::move(found));
    }
  }
}

}  // namespace khipu::verify
