#include "engine/query/version_search.h"

#include <algorithm>

namespace khipu::query {
namespace {

// A record that is asked for costs about as much as so many in a scan.
constexpr uint32_t kScanShare = 8;

// Calls tell(key, list) for the terms that begin with `begin`; the key is what follows `prefix` bytes.
template <typename Tell>
Result<void> each_key(const index::Reader& index, Bytes begin, size_t prefix, const Tell& tell) {
  Result<void> told;
  KHIPU_TRY(index.each(begin, [&](Bytes term, const index::List& list) {
    told = tell(term.subspan(prefix), list);
    return told.ok();
  }));
  return told;
}

}  // namespace

Result<void> PartScores::say(const index::List& list, Score score) {
  if (score == kNoScore) return {};
  scores_.resize(index_.rows(), kNoScore);
  return index_.each_row(list, [&](uint32_t row) { scores_[row] = std::min(scores_[row], score); });
}

Result<void> PartScores::say(const index::RowSet& rows, Score score) {
  scores_.resize(index_.rows(), kNoScore);
  rows.each(false, [&](uint32_t row) {
    scores_[row] = std::min(scores_[row], score);
    return true;
  });
  return {};
}

Result<void> PartScores::ask(const index::List& list) { return index_.add(list, asked_); }

Result<void> PartScores::texts(index::AttributeKind kind, std::string_view type, std::string_view field,
                               std::string_view folded, bool whole, const Tell& tell) {
  const std::string_view start = folded.substr(0, index::kAttributeTextSizeMax);
  Buffer begin;
  index::attribute_prefix(begin, type, field, kind);
  const size_t prefix = begin.size();
  append(begin, as_bytes(start));
  if (whole) begin.push_back(0);
  if (folded.size() < index::kAttributeTextSizeMax) {
    KHIPU_TRY(each_key(index_, begin, prefix, [&](Bytes key, const index::List& list) -> Result<void> {
      KHIPU_TRY_ASSIGN(const std::string_view text, index::attribute_text(key));
      return tell(text, list);
    }));
  }
  begin.clear();
  index::attribute_prefix(begin, type, field, index::long_kind(kind));
  append(begin, as_bytes(start));
  return each_key(index_, begin, prefix, [&](Bytes key, const index::List& list) -> Result<void> {
    return whole && as_text(key) != start ? Result<void>() : ask(list);
  });
}

Result<void> PartScores::names(std::string_view type, const TellName& tell) {
  std::string begin(1, static_cast<char>(index::Field::kName));
  // What is cut has as much of its type as there is room for.
  if (!type.empty()) begin.append(type).append(1, '\0');
  begin.resize(std::min(begin.size(), 1 + index::kNameCutSize));
  return each_key(index_, as_bytes(begin), 1, [&](Bytes key, const index::List& list) -> Result<void> {
    if (key.size() == index::kTextKeySizeMax) return ask(list);
    const std::string_view name = as_text(key);
    const size_t end = name.find('\0');
    if (end == std::string_view::npos) return Error{Code::kCorrupt, "a name without a type"};
    if (!type.empty() && name.substr(0, end) != type) return {};
    return tell(name.substr(0, end), name.substr(end + 1), list);
  });
}

Result<void> VersionSearch::run(const VersionQuestion& question) const {
  const auto run_one = [&](const snapshot::SegmentInfo& segment) -> Result<bool> {
    if (segment.first_row.value >= size_) return false;
    KHIPU_TRY(run_segment(question, segment));
    return true;
  };
  if (question.name) {
    return snapshot_.each_holding(TableId::kRegistry, *question.name, snapshot::Order::kAscending, tell_merged_,
                                  run_one);
  }
  for (const snapshot::SegmentInfo& segment : snapshot_.segments(TableId::kRegistry)) {
    KHIPU_TRY_ASSIGN(const bool going_on, run_one(segment));
    if (!going_on) break;
  }
  return {};
}

Result<void> VersionSearch::run_segment(const VersionQuestion& question, const snapshot::SegmentInfo& segment) const {
  Result<std::vector<snapshot::Part>> parts = snapshot_.parts(TableId::kRegistry, segment);
  if (!parts.ok()) {
    if (parts.error().code != Code::kIo) tell_index_(segment, parts.error());
    parts = std::vector<snapshot::Part>{{segment.first_row, segment.rows, nullptr}};
  }
  for (const snapshot::Part& part : *parts) {
    const Row end{std::min(size_, part.first_row.value + part.rows)};
    if (end <= part.first_row) continue;
    Result<bool> known = false;
    if (part.index && part.index->header().has_attributes()) known = run_index(question, part);
    if (!known.ok()) {
      if (known.error().code != Code::kCorrupt && known.error().code != Code::kIo) return known.error();
      if (known.error().code == Code::kCorrupt) tell_index_(segment, known.error());
      known = false;
    }
    if (!*known) KHIPU_TRY(run_rows(question, part.first_row, end));
  }
  return {};
}

Result<void> VersionSearch::run_rows(const VersionQuestion& question, Row from, Row to) const {
  codec::VersionRecord version;
  const auto look = [&](const snapshot::ScannedRow& scanned) {
    if (scanned.fault != codec::FrameFault::kNone || !codec::decode_version(scanned.frame.payload, version).ok()) {
      tell_row_(scanned);
      return true;
    }
    const Row entity = version.entity.value_or(scanned.row);
    const Score score = question.score(version);
    if (score != kNoScore || (question.follows && question.follows(entity))) {
      question.meet(scanned.row, entity, score, version.deleted);
    }
    return true;
  };
  return snapshot_.scan(TableId::kRegistry, from, to, snapshot::Order::kAscending, look);
}

// A record that cannot be read or is not the one that was signed: the scan says so.
Result<bool> VersionSearch::ask_records(const VersionQuestion& question, const snapshot::Part& part,
                                        PartScores& scores) const {
  std::vector<Row> rows;
  scores.asked_.each(false, [&](uint32_t row) {
    rows.push_back({part.first_row.value + row});
    return true;
  });
  if (rows.empty()) return true;
  snapshot_.expect(TableId::kRegistry, rows);
  scores.scores_.resize(scores.index_.rows(), kNoScore);
  codec::VersionRecord version;
  for (const Row row : rows) {
    const Result<snapshot::CheckedRecord> record = snapshot_.record(TableId::kRegistry, row);
    if (!record.ok() || !record->intact || !codec::decode_version(record->payload, version).ok()) return false;
    Score& score = scores.scores_[row.value - part.first_row.value];
    score = std::min(score, question.score(version));
  }
  return true;
}

Result<bool> VersionSearch::run_index(const VersionQuestion& question, const snapshot::Part& part) const {
  const index::Reader& index = *part.index;
  const auto rows = static_cast<uint32_t>(std::min<uint64_t>(index.rows(), size_ - part.first_row.value));
  PartScores scores(index);
  KHIPU_TRY(question.narrow(scores));
  scores.asked_.keep_range(0, rows);
  if (uint64_t{kScanShare} * scores.asked_.count() > rows) return false;
  KHIPU_TRY_ASSIGN(const bool answered, ask_records(question, part, scores));
  if (!answered) return false;
  if (scores.scores_.empty() && !question.follows) return true;
  KHIPU_TRY_ASSIGN(const index::Column entities, index.entities());
  index::RowSet deleted(index.rows());
  KHIPU_TRY_ASSIGN(const std::optional<index::List> list, index.find(index::deleted_term()));
  if (list) KHIPU_TRY(index.add(*list, deleted));
  for (uint32_t row = 0; row < rows; ++row) {
    const Score score = scores.scores_.empty() ? kNoScore : scores.scores_[row];
    if (score == kNoScore && !question.follows) continue;
    const Row entity{static_cast<uint64_t>(entities[row])};
    if (score == kNoScore && !question.follows(entity)) continue;
    question.meet({part.first_row.value + row}, entity, score, deleted.has(row));
  }
  return true;
}

}  // namespace khipu::query
