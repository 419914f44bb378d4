#include "engine/query/plan.h"

#include <algorithm>

namespace khipu::query {
namespace {

Row entity_of(Bytes term) {
  Row row;
  for (const uint8_t byte : term.subspan(1)) row.value = row.value << 8 | byte;
  return row;
}

}  // namespace

Result<void> Plan::keep_times(std::optional<TimeUs> from, std::optional<TimeUs> to) {
  const index::Header& header = index_.header();
  if ((!from || header.time_min >= *from) && (!to || header.time_max < *to)) return {};
  if (header.in_order) {
    if (from) {
      KHIPU_TRY_ASSIGN(const uint32_t first, index_.first_time(*from));
      from_ = std::max(from_, first);
    }
    if (to) {
      KHIPU_TRY_ASSIGN(const uint32_t first, index_.first_time(*to));
      to_ = std::min(to_, first);
    }
    return {};
  }
  KHIPU_TRY_ASSIGN(const index::Column times, index_.times());
  KHIPU_TRY_ASSIGN(const index::Column by_time, index_.by_time());
  const auto row_at = [&](uint32_t place) { return static_cast<uint64_t>(by_time[place]); };
  const auto first_not_before = [&](TimeUs time) -> Result<uint32_t> {
    uint32_t low = 0, high = index_.rows();
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (row_at(middle) >= index_.rows()) return Error{Code::kCorrupt, "an order by time with rows that cannot be"};
      if (times[static_cast<uint32_t>(row_at(middle))] < time) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  uint32_t low = 0, high = index_.rows();
  if (from) {
    KHIPU_TRY_ASSIGN(low, first_not_before(*from));
  }
  if (to) {
    KHIPU_TRY_ASSIGN(high, first_not_before(*to));
  }
  index::RowSet inside(index_.rows());
  for (uint32_t place = low; place < high; ++place) {
    if (row_at(place) >= index_.rows()) return Error{Code::kCorrupt, "an order by time with rows that cannot be"};
    inside.add(static_cast<uint32_t>(row_at(place)));
  }
  KHIPU_TRY(settle());
  *rows_ &= inside;
  return {};
}

Result<void> Plan::keep_recorded(std::optional<TimeUs> from, std::optional<TimeUs> to) {
  if (from) {
    KHIPU_TRY_ASSIGN(const uint32_t first, index_.first_recorded(*from));  // it never falls
    from_ = std::max(from_, first);
  }
  if (to) {
    KHIPU_TRY_ASSIGN(const uint32_t first, index_.first_recorded(*to));
    to_ = std::min(to_, first);
  }
  return {};
}

Result<Plan::Lists> Plan::find(const std::vector<index::Term>& terms, bool exact_only) {
  Lists lists;
  for (const index::Term& term : terms) {
    exact_ &= term.exact;
    if (exact_only && !term.exact) continue;
    KHIPU_TRY_ASSIGN(const std::optional<index::List> list, index_.find(term));
    if (list) lists.push_back(*list);
  }
  return lists;
}

Result<Plan::Lists> Plan::find_entities(index::Field field, const std::vector<Row>& entities) const {
  Lists lists;
  if (entities.size() <= kLookUpsMax) {
    for (const Row entity : entities) {
      KHIPU_TRY_ASSIGN(const std::optional<index::List> list, index_.find(index::entity_term(field, entity)));
      if (list) lists.push_back(*list);
    }
    return lists;
  }
  const std::array<uint8_t, 1> prefix = {static_cast<uint8_t>(field)};
  KHIPU_TRY(index_.each(prefix, [&](Bytes term, const index::List& list) {
    if (std::binary_search(entities.begin(), entities.end(), entity_of(term))) lists.push_back(list);
    return true;
  }));
  return lists;
}

Result<Plan::Lists> Plan::find_url(std::string_view prefix) const {
  Lists lists;
  KHIPU_TRY(index_.each(index::word_term(index::Field::kUrl, prefix).view(), [&](Bytes, const index::List& list) {
    lists.push_back(list);
    return true;
  }));
  return lists;
}

Result<index::RowSet> Plan::decode(const Lists& lists) const {
  index::RowSet rows(index_.rows());
  for (const index::List& list : lists) KHIPU_TRY(index_.add(list, rows));
  return rows;
}

Result<void> Plan::settle() {
  if (rows_) return {};
  rows_.emplace(index_.rows());
  if (only_) {
    KHIPU_TRY(index_.add(*only_, *rows_));
  } else {
    rows_->add_range(0, index_.rows());
  }
  only_.reset();
  return {};
}

Result<void> Plan::keep(Lists lists) {
  if (lists.empty()) none_ = true;
  if (none_) return {};
  if (lists.size() == 1 && !only_ && !rows_) {
    only_ = lists.front();
    return {};
  }
  KHIPU_TRY_ASSIGN(index::RowSet kept, decode(lists));
  if (!only_ && !rows_) {
    rows_ = std::move(kept);
    return {};
  }
  KHIPU_TRY(settle());
  *rows_ &= kept;
  return {};
}

Result<void> Plan::drop(const Lists& lists) {
  if (lists.empty() || none_) return {};
  KHIPU_TRY_ASSIGN(const index::RowSet dropped, decode(lists));
  KHIPU_TRY(settle());
  *rows_ -= dropped;
  return {};
}

Result<void> Plan::keep_any(const std::vector<index::Term>& terms) {
  KHIPU_TRY_ASSIGN(Lists lists, find(terms, false));
  return keep(std::move(lists));
}
// A term of several values says nothing about the rows to be left out.
Result<void> Plan::drop_any(const std::vector<index::Term>& terms) {
  KHIPU_TRY_ASSIGN(const Lists lists, find(terms, true));
  return drop(lists);
}
Result<void> Plan::keep_entities(index::Field field, const std::vector<Row>& entities) {
  KHIPU_TRY_ASSIGN(Lists lists, find_entities(field, entities));
  return keep(std::move(lists));
}
Result<void> Plan::drop_entities(index::Field field, const std::vector<Row>& entities) {
  KHIPU_TRY_ASSIGN(const Lists lists, find_entities(field, entities));
  return drop(lists);
}
// A prefix no longer than what of a url is a term is known to the last byte.
Result<void> Plan::keep_url(std::string_view prefix) {
  exact_ &= prefix.size() <= index::kUrlKeySizeMax;
  KHIPU_TRY_ASSIGN(Lists lists, find_url(prefix));
  return keep(std::move(lists));
}
Result<void> Plan::drop_url(std::string_view prefix) {
  if (prefix.size() > index::kUrlKeySizeMax) {
    exact_ = false;
    return {};
  }
  KHIPU_TRY_ASSIGN(const Lists lists, find_url(prefix));
  return drop(lists);
}

Result<uint32_t> Plan::count() {
  if (none_ || from_ >= to_) return 0U;
  if (!rows_ && !only_) return to_ - from_;
  if (only_ && from_ == 0 && to_ == index_.rows()) return only_->count;
  if (only_ && only_->kind == index::List::Kind::kDeltas) {
    uint32_t count = 0;
    KHIPU_TRY(index_.each_row(*only_, [&](uint32_t row) { count += row >= from_ && row < to_; }));
    return count;
  }
  KHIPU_TRY_ASSIGN(const index::RowSet left, rows());
  return left.count();
}

Result<index::RowSet> Plan::rows() {
  if (none_ || from_ >= to_) return index::RowSet(index_.rows());
  KHIPU_TRY(settle());
  rows_->keep_range(from_, to_);
  return *rows_;
}

}  // namespace khipu::query
