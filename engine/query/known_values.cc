#include "engine/query/known_values.h"

#include <algorithm>
#include <set>

#include "engine/query/matcher.h"
#include "engine/query/near.h"
#include "engine/query/pass.h"

namespace khipu::query {
namespace {

constexpr size_t kValuesMax = 3;           // of one argument
constexpr size_t kArgumentsMax = 8;        // that are looked at
constexpr size_t kPartsMax = 64;           // of segments, the newest ones
constexpr size_t kKnownTermsMax = 20'000;  // that one argument looks at
constexpr uint64_t kRowsMax = 4096;        // of which records are read
constexpr size_t kTriedMax = 4;            // near values of one that are looked for in the log
constexpr size_t kMetMax = 256;            // events that have one of those, looked at until one shows it

// One argument: where its values stand in an event, and in an index.
struct Argument {
  std::string name;
  bool indexed = true;
  index::Term prefix;  // of its terms; a value follows
  std::function<std::string_view(const codec::EventRecord&)> of;
  std::function<void(Conditions&, const std::string&)> ask;
};

class Search {
 public:
  Search(const snapshot::Snapshot& snapshot, const Entities& entities, uint64_t registry_size,
         const std::stop_token& stop)
      : snapshot_(snapshot), entities_(entities), registry_size_(registry_size), stop_(stop) {}

  // The nearest value that this caller may see; empty when the value itself is one, or none is near.
  std::string nearest_of(const Argument& argument, const std::string& value) {
    if (may_see(argument, value)) return {};
    std::vector<std::pair<size_t, std::string>> near;
    for (const std::string& known : known_values(argument)) {
      if (known == value) continue;
      if (const auto distance = edits_to(value, known)) near.emplace_back(*distance, known);
    }
    std::sort(near.begin(), near.end());
    if (near.size() > kTriedMax) near.resize(kTriedMax);
    for (const auto& [distance, known] : near) {
      if (stop_.stop_requested()) return {};
      if (may_see(argument, known)) return known;
    }
    return {};
  }

 private:
  const std::set<std::string>& known_values(const Argument& argument) {
    if (argument.name == known_of_) return known_;
    known_of_ = argument.name;
    known_.clear();
    read(argument);
    return known_;
  }

  void keep(std::string_view value) {
    if (!value.empty() && value.size() <= kNearSizeMax && known_.size() < kKnownTermsMax) known_.emplace(value);
  }

  // The newest first: indexed rows by the terms of their index, others by their records.
  void read(const Argument& argument) {
    size_t parts_left = kPartsMax, terms_left = kKnownTermsMax;
    uint64_t rows_left = kRowsMax;
    const auto& segments = snapshot_.segments(TableId::kLogs);
    const Bytes prefix = argument.prefix.view();
    for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
      if (segment->rows == 0) continue;
      const auto parts = snapshot_.parts(TableId::kLogs, *segment);
      if (!parts.ok()) continue;
      for (auto part = parts->rbegin(); part != parts->rend(); ++part) {
        if (parts_left-- == 0 || stop_.stop_requested()) return;
        if (part->index && argument.indexed) {
          (void)part->index->each(prefix, [&](Bytes term, const index::List&) {
            keep(as_text(term.subspan(prefix.size())));
            return --terms_left > 0;
          });
          if (terms_left == 0) return;
          continue;
        }
        const uint64_t rows = std::min(part->rows, rows_left);
        rows_left -= rows;
        read_records(argument, part->first_row.value + part->rows - rows, part->first_row.value + part->rows);
        if (rows_left == 0 && !argument.indexed) return;
      }
    }
  }

  void read_records(const Argument& argument, uint64_t from, uint64_t to) {
    codec::EventRecord event;
    (void)snapshot_.scan(
        TableId::kLogs, {from}, {to}, snapshot::Order::kDescending, [&](const snapshot::ScannedRow& row) {
          if (row.fault == codec::FrameFault::kNone && codec::decode_event(row.frame.payload, event).ok()) {
            keep(argument.of(event));
          }
          return !stop_.stop_requested();
        });
  }

  // Whether a question for it finds an event, and that event shows it.
  bool may_see(const Argument& argument, const std::string& value) const {
    Filter filter, applied;
    std::vector<Note> notes;
    argument.ask(filter.where, value);
    const Answer<Matcher> matcher = Matcher::compile(filter, snapshot_, entities_, registry_size_, applied, notes);
    if (!matcher.ok() || matcher->never()) return false;
    Findings findings;
    Pass pass(snapshot_, *matcher, snapshot_.size(TableId::kLogs), true, stop_, findings);
    pass.scanned_max = kRowsMax;
    bool seen = false;
    size_t met = 0;
    const auto ran = pass.run([&](Row, const codec::EventRecord& event) {
      seen = matcher->shows(event, value);
      return !seen && ++met < kMetMax;
    });
    return ran.ok() && seen;
  }

  const snapshot::Snapshot& snapshot_;
  const Entities& entities_;
  uint64_t registry_size_;
  std::stop_token stop_;
  std::string known_of_;  // the argument whose values these are
  std::set<std::string> known_;
};

Argument source_argument() {
  return {"source", true, index::word_term(index::Field::kSource, ""),
          [](const codec::EventRecord& event) { return event.source; },
          [](Conditions& c, const std::string& value) { c.sources = {value}; }};
}
Argument action_argument() {
  return {"action", true, index::word_term(index::Field::kAction, ""),
          [](const codec::EventRecord& event) { return event.action; },
          [](Conditions& c, const std::string& value) { c.actions = {value}; }};
}
Argument column_argument(const codec::ColumnSchema& column) {
  return {"custom." + column.name, column.indexed, index::column_term(column.id, codec::Value::of_text("")),
          [id = column.id](const codec::EventRecord& event) {
            for (const codec::ColumnValue& value : event.custom) {
              if (value.column == id && value.value.kind == codec::Value::Kind::kText) return value.value.text;
            }
            return std::string_view();
          },
          [name = column.name](Conditions& c, const std::string& value) {
            c.custom = {{name, OwnedValue(codec::Value::of_text(value))}};
          }};
}

Note note_of(const std::string& argument, const std::string& value) {
  return {"NEAREST_KNOWN", "The nearest value to the one given in " + argument + " that an event does have.", value};
}

}  // namespace

void note_nearest_known(const snapshot::Snapshot& snapshot, const Filter& filter, const Entities& entities,
                        uint64_t registry_size, const std::stop_token& stop, std::vector<Note>& notes) {
  Search search(snapshot, entities, registry_size, stop);
  size_t arguments = 0;
  const auto look = [&](const Argument& argument, const std::vector<std::string>& values) {
    if (values.empty() || ++arguments > kArgumentsMax) return;
    for (size_t i = 0; i < std::min(values.size(), kValuesMax); ++i) {
      const std::string near = search.nearest_of(argument, values[i]);
      if (near.empty()) continue;
      notes.push_back(note_of(argument.name, near));
      return;
    }
  };
  const Conditions& c = filter.where;
  look(source_argument(), c.sources);
  look(action_argument(), c.actions);
  for (const NamedOwnedValue& value : c.custom) {
    const codec::ColumnSchema* column = snapshot.schema().column(value.name);
    if (column == nullptr || !column->rule.none() || column->kind != codec::ValueKind::kText) continue;
    look(column_argument(*column), {value.value.text});
  }
}

}  // namespace khipu::query
