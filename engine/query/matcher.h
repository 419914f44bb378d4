// A filter made ready for rows: names looked up once, words as bits. Not here: which rows are scanned (events.cc).
#pragma once

#include <atomic>
#include <vector>

#include "engine/base/fold.h"
#include "engine/query/entities.h"
#include "engine/query/fields.h"
#include "engine/query/filter.h"
#include "engine/query/masking.h"
#include "engine/query/plan.h"
#include "engine/query/rows.h"

namespace khipu::query {

class Matcher {
 public:
  // Entities as of `registry_size`. `applied` becomes the filter with names as refs; notes say what was taken how.
  static Answer<Matcher> compile(const Filter& filter, const snapshot::Snapshot& snapshot, const Entities& entities,
                                 uint64_t registry_size, Filter& applied, std::vector<Note>& notes);
  // Whether a question needs the entity table at all: others are answered with a damaged registry too.
  static bool needs_entities(const Filter& filter);
  // The entities it names; those it asks for by an attribute need not be learnt.
  static std::vector<std::string_view> names(const Filter& filter);

  // Nothing can match: an entity of the filter does not exist.
  bool never() const { return never_; }
  bool in_window(TimeUs occurred_at) const {  // on the occurred axis alone
    return !on_occurred_ || ((!from_ || occurred_at >= *from_) && (!to_ || occurred_at < *to_));
  }
  // The whole filter; `event` lies in_window().
  bool matches(const codec::EventRecord& event) const;
  // Whether whoever asks is shown all of `value`, a text of the event's.
  bool shows(const codec::EventRecord& event, std::string_view value) const;
  // A text of the event's as a key of groups: "[masked]" for each stretch that whoever asks is not shown.
  std::string shown(const codec::EventRecord& event, std::string_view text, bool is_url) const;
  // All of the column is hidden.
  bool hides_column(uint32_t id) const;
  // Whether shown() may be anything but the text.
  bool masks() const { return masking_ != nullptr; }
  // What the rows met so far make necessary to say; asked when the pass is over.
  void tell_met(std::vector<Note>& notes) const;
  // Whether matches() may be asked by several threads at once, and is worth it: a search for text through records, and
  // no more than what is in them.
  bool may_sift() const;
  // False only for what matches() would not hold for, as far as the record's bytes say; costs less than decoding it.
  bool may_match(Bytes payload) const { return where_.text.empty() || may_contain_folded(payload, where_.text); }
  // Leaves in the plan the rows of its segment that can match; all that do match, when it is exact.
  Result<void> narrow(Plan& plan) const;
  // What every matching row has: of each list one of the terms. For files that know segments, not rows.
  struct Needs {
    std::vector<std::vector<index::Term>> lists;
    bool alone = true;  // and there is no other condition but the window: with one list or none, who has it matches
  };
  Needs needs() const;
  // Whether rows with times from `first` to `last`, on the filter's axis, may lie in the window, and whether all do.
  bool overlaps(TimeUs first, TimeUs last) const { return (!from_ || last >= *from_) && (!to_ || first < *to_); }
  bool covers(TimeUs first, TimeUs last) const { return (!from_ || first >= *from_) && (!to_ || last < *to_); }
  bool on_occurred() const { return on_occurred_; }
  bool has_window() const { return from_ || to_; }
  // A sealed segment with these bounds may hold matching rows.
  bool may_hold(const snapshot::Snapshot& snapshot, const snapshot::SegmentInfo& segment) const;

 private:
  using Entity = std::vector<Row>;  // any of these, ascending
  struct Column {
    uint32_t id = 0;
    OwnedValue value;
    bool indexed = false;
    bool hidden = false;    // in part or whole, so that nothing is equal
    bool may_hide = false;  // what an event has in it may be hidden by other values of the event: its record says
    // Of a protected column, instead of the value; what is borrowed outlives the matcher.
    std::shared_ptr<const FieldProbe> probe = nullptr;
    const FieldReader* reader = nullptr;
    const snapshot::Snapshot* snapshot = nullptr;
    const codec::Rule* rule = nullptr;
    std::string argument = {};                                 // for notes
    std::shared_ptr<std::atomic<bool>> unconfirmed = nullptr;  // a value was met that no key could confirm
  };
  struct Compiled {
    std::vector<Entity> actors;   // `where`: the actor is in each of them; `where_not`: in none
    std::vector<Entity> targets;  // `where`: each has a target in it; `where_not`: no target is in any
    std::vector<std::string> actions, sources;
    uint32_t action_classes = 0, outcomes = 0;  // bits; 0 = not asked
    std::string url_prefix;
    std::vector<Column> custom;
    std::string text;  // folded
  };
  struct Compiler;
  // nullopt: its blind index says so, and no key here could confirm it.
  std::optional<bool> equal_column(const codec::EventRecord& event, const Column& column) const;
  static std::vector<index::Term> terms_of(const Column& column);
  static bool index_decides(const Column& column) {
    return column.indexed && !column.may_hide && (!column.probe || column.probe->decides);
  }
  bool has_text(const codec::EventRecord& event, const std::string& folded) const;
  bool has_url(const codec::EventRecord& event, const std::string& prefix) const;
  void mask(const Masking* masking, const snapshot::Snapshot& snapshot);
  bool hide_columns(Compiled& c) const;
  // Of the event and the versions it pins: values of fields that are hidden whole.
  std::vector<std::string> hidden_values(const codec::EventRecord& event) const;
  bool meets(const codec::EventRecord& event) const;
  bool excluded(const codec::EventRecord& event) const;

  std::optional<TimeUs> from_, to_;
  bool on_occurred_ = true;
  std::optional<HoursTest> hours_;
  bool never_ = false;
  const ScopeView* scope_ = nullptr;  // of whoever asks; nullptr: everything
  Compiled where_, where_not_;
  const Masking* masking_ = nullptr;  // of whoever asks; nullptr: all is shown. With it:
  const snapshot::Snapshot* snapshot_ = nullptr;
  std::vector<uint32_t> hidden_columns_;
  bool hides_attributes_ = false;  // some type has a field that is hidden
};

}  // namespace khipu::query
