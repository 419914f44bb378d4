// Which rows of one segment a filter may meet, from the segment's index: lists united, intersected, taken away. Not
// here: what the filter means (matcher.h), reading the records (pass.h).
#pragma once

#include <optional>
#include <vector>

#include "engine/index/reader.h"

namespace khipu::query {

// Of a field's terms; with more it costs less to walk over all of them than to look each one up.
inline constexpr size_t kLookUpsMax = 256;

// Rows of the segment, narrowed condition by condition. What could not be narrowed leaves exact() false: then these are
// candidates, and the records decide. Owner: one thread; borrows the index.
class Plan {
 public:
  // Rows [from, to) of the segment.
  Plan(const index::Reader& index, uint32_t from, uint32_t to)
      : index_(index), from_(from), to_(std::min(to, index.rows())) {}

  Result<void> keep_times(std::optional<TimeUs> from, std::optional<TimeUs> to);     // occurred_at in [from, to)
  Result<void> keep_recorded(std::optional<TimeUs> from, std::optional<TimeUs> to);  // recorded_at
  // Rows that have one of the terms, or none of them.
  Result<void> keep_any(const std::vector<index::Term>& terms);
  Result<void> drop_any(const std::vector<index::Term>& terms);
  // Rows whose actor or target is one of `entities`, ascending.
  Result<void> keep_entities(index::Field field, const std::vector<Row>& entities);
  Result<void> drop_entities(index::Field field, const std::vector<Row>& entities);
  Result<void> keep_url(std::string_view prefix);
  Result<void> drop_url(std::string_view prefix);
  void inexact() { exact_ = false; }

  bool exact() const { return exact_; }
  // How many rows are left; decodes nothing when one list says it.
  Result<uint32_t> count();
  // The rows that are left.
  Result<index::RowSet> rows();

 private:
  using Lists = std::vector<index::List>;
  Result<Lists> find(const std::vector<index::Term>& terms, bool exact_only);
  Result<Lists> find_entities(index::Field field, const std::vector<Row>& entities) const;
  Result<Lists> find_url(std::string_view prefix) const;
  Result<index::RowSet> decode(const Lists& lists) const;
  Result<void> settle();  // makes rows_ of what was put off
  Result<void> keep(Lists lists);
  Result<void> drop(const Lists& lists);

  const index::Reader& index_;
  uint32_t from_, to_;
  bool exact_ = true;
  bool none_ = false;
  std::optional<index::List> only_;    // the one list so far: its count may be all that is wanted
  std::optional<index::RowSet> rows_;  // absent: all, or those of only_
};

}  // namespace khipu::query
