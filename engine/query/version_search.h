// Versions in registry/ that a question is about, without reading all of them: indexes that know attributes say which,
// and the records of the others, of rows that no index covers and of what an index leaves open. Internal to this room.
#pragma once

#include <functional>
#include <vector>

#include "engine/codec/record.h"
#include "engine/index/attributes.h"
#include "engine/query/filter.h"
#include "engine/snapshot/store.h"

namespace khipu::query {

// How well a version meets a question: the less the better.
using Score = uint8_t;
inline constexpr Score kNoScore = UINT8_MAX;

// What an index of registry/ says of its rows. Owner: one thread; borrows the index.
class PartScores {
 public:
  explicit PartScores(const index::Reader& index) : index_(index), asked_(index.rows()) {}
  const index::Reader& index() const { return index_; }
  Result<void> say(const index::List& list, Score score);  // rows of the list have it, or a better one
  Result<void> say(const index::RowSet& rows, Score score);
  Result<void> ask(const index::List& list);  // their records say

  // Calls tell(text, list) for each text of the field, kText or kJson, that begins with `folded` lower-cased, or with
  // `whole` is that; what stands in the index cut short is asked for where it may be one. "": all texts.
  using Tell = std::function<Result<void>(std::string_view text, const index::List&)>;
  Result<void> texts(index::AttributeKind kind, std::string_view type, std::string_view field, std::string_view folded,
                     bool whole, const Tell& tell);
  // The same for the ids of a type, all of them; type "": of all types.
  using TellName = std::function<Result<void>(std::string_view type, std::string_view id, const index::List&)>;
  Result<void> names(std::string_view type, const TellName& tell);

 private:
  friend class VersionSearch;
  const index::Reader& index_;
  std::vector<Score> scores_;  // by row; empty: none yet
  index::RowSet asked_;
};

struct VersionQuestion {
  // Where it is about one entity, whose name every version of it has: only segments that hold it are looked into.
  std::optional<index::Term> name = {};
  std::function<Score(const codec::VersionRecord&)> score;
  // The same of all rows of an index that knows attributes.
  std::function<Result<void>(PartScores&)> narrow;
  // Whether versions of the entity are met whatever their score; none: only those with one are.
  std::function<bool(Row entity)> follows;
  std::function<void(Row row, Row entity, Score score, bool deleted)> meet;
};

// Owner: one thread; borrows the snapshot.
class VersionSearch {
 public:
  // Rows below `size`. Who is told of rows that cannot be read, and of an index, or a merged one, that is not what its
  // statement says.
  using TellRow = std::function<void(const snapshot::ScannedRow&)>;
  using TellIndex = std::function<void(const snapshot::SegmentInfo&, const Error&)>;
  using TellMerged = snapshot::Snapshot::MergedFailed;
  VersionSearch(const snapshot::Snapshot& snapshot, uint64_t size, TellRow tell_row, TellIndex tell_index,
                TellMerged tell_merged)
      : snapshot_(snapshot),
        size_(size),
        tell_row_(std::move(tell_row)),
        tell_index_(std::move(tell_index)),
        tell_merged_(std::move(tell_merged)) {}
  // In order of rows.
  Result<void> run(const VersionQuestion& question) const;

 private:
  Result<void> run_segment(const VersionQuestion& question, const snapshot::SegmentInfo& segment) const;
  Result<void> run_rows(const VersionQuestion& question, Row from, Row to) const;
  // False: nothing was met, and the records are to be asked.
  Result<bool> run_index(const VersionQuestion& question, const snapshot::Part& part) const;
  Result<bool> ask_records(const VersionQuestion& question, const snapshot::Part& part, PartScores& scores) const;

  const snapshot::Snapshot& snapshot_;
  const uint64_t size_;
  const TellRow tell_row_;
  const TellIndex tell_index_;
  const TellMerged tell_merged_;
};

}  // namespace khipu::query
