// The indexer's thread: one sealed segment after another gets its index, oldest first, then what is sealed from now on;
// between them the active segments get runs. It takes no lock over its work, so no commit waits for it. What it cannot
// build stays without index until the next start: readers scan, and nothing is lost.
#include <algorithm>

#include "engine/index/format.h"
#include "engine/segment/reader.h"
#include "engine/writer/indexer.h"
#include "engine/writer/writer_impl.h"

namespace khipu::writer {
namespace {

constexpr auto kLook = std::chrono::milliseconds(5);

CommittedTree committed_tree(const segment::Head& head, TableId table) {
  const segment::HeadTable& state = head.tables[index_of(table)];
  return {state.size, state.root};
}

}  // namespace

// A sealed segment first, then a run whose rows are old enough.
std::optional<Writer::Impl::ToIndex> Writer::Impl::to_index() const {
  for (const TableId table : index::kIndexedTables) {
    const uint64_t next = index_next[index_of(table)];
    if (published.head.tables[index_of(table)].manifest_entries > next) return ToIndex{table, {next}, std::nullopt};
  }
  const auto now = Steady::now();
  for (const TableId table : index::kIndexedTables) {
    const GrowingRuns& growing = runs[index_of(table)];
    if (!growing.ready_since || growing.broken) continue;
    const auto age = runs_wanted ? std::chrono::microseconds(0) : std::chrono::microseconds(options.index_run_age_us);
    if (now < *growing.ready_since + age) continue;
    const RunPlace place{{growing.segment, growing.made.size()},
                         growing.first_row,
                         growing.next,
                         options.index_run_rows,
                         growing.offset,
                         published.head.tables[index_of(table)].end_offset};
    return ToIndex{table, growing.segment, place};
  }
  return std::nullopt;
}

// Which active segments have rows for another run, now that HEAD has moved. True: one more than before.
bool Writer::Impl::note_runs() {
  bool more = false;
  for (const TableId table : index::kIndexedTables) {
    GrowingRuns& growing = runs[index_of(table)];
    const segment::HeadTable& head = published.head.tables[index_of(table)];
    if (growing.segment != head.segment) {
      growing = {};
      growing.segment = head.segment;
      growing.first_row = growing.next = head.segment_first_row;
    }
    const bool ready = head.size - growing.next.value >= options.index_run_rows;
    if (ready && !growing.ready_since) {
      growing.ready_since = Steady::now();
      more = true;
    }
    if (!ready) growing.ready_since.reset();
  }
  return more;
}

std::optional<Steady::time_point> Writer::Impl::run_due() const {
  std::optional<Steady::time_point> due;
  for (const GrowingRuns& growing : runs) {
    if (!growing.ready_since || growing.broken) continue;
    const auto at = *growing.ready_since + std::chrono::microseconds(options.index_run_age_us);
    if (!due || at < *due) due = at;
  }
  return due;
}

// To be committed. Past the bounds of the queue: a busy log is one that needs its indexes.
void Writer::Impl::state_index(codec::IndexStatement statement) {
  if (stopping || !poisoned.empty()) return;
  Submission submission{{}, {}, {}, 1, 0, Steady::now()};
  submission.batch.statements.emplace_back(std::move(statement));
  submission.answer = [this](const Result<Receipt>&) { --indexes_unanswered; };  // with the mutex or without
  ++indexes_unanswered;
  ++queued_events;
  queue.push_back(std::move(submission));
  queue_moved.notify_one();
}

Result<void> Writer::Impl::index_one(const ToIndex& what, std::unique_lock<std::mutex>& hold) {
  const bool retained = what.number >= rules->retained_segment[index_of(what.table)];
  const auto found = indexes.find({what.table, what.number});
  const std::optional<codec::IndexStatement> known =
      found == indexes.end() ? std::nullopt : std::optional(found->second);
  const std::shared_ptr<const registry::Schema> with = schema;
  const CommittedTree tree = committed_tree(published.head, what.table);
  hold.unlock();
  const auto build = [&]() -> Result<std::optional<BuiltRun>> {
    std::optional<BuiltRun> none;
    if (!retained) return none;
    KHIPU_TRY_ASSIGN(const auto folder, environment.root.open_directory(table_name(what.table)));
    if (what.run) {
      KHIPU_TRY_ASSIGN(BuiltRun run, build_run(*folder, what.table, *what.run, *with, tree));
      return std::optional(std::move(run));
    }
    if (known) {
      KHIPU_TRY_ASSIGN(const bool present, index_present(*folder, *known));
      if (present) return none;
    }
    KHIPU_TRY_ASSIGN(const segment::Manifest manifest, segment::read_manifest(*folder));
    if (what.number.value >= manifest.entries.size()) return Error{Code::kCorrupt, "the manifest lost an entry"};
    const segment::ManifestEntry& entry = manifest.entries[what.number.value];
    if (entry.footer.rows == 0) return none;  // commits alone
    BuiltRun whole;
    KHIPU_TRY_ASSIGN(whole.statement, build_index(*folder, what.table, entry, *with, tree));
    if (known && known->root == whole.statement.root) return none;
    if (known) whole.statement.replaces = {known->file};
    return std::optional(std::move(whole));
  };
  Result<std::optional<BuiltRun>> made = at(
      std::string("index of segment ") + std::to_string(what.number.value) + " of " + table_name(what.table), build());
  hold.lock();
  GrowingRuns& growing = runs[index_of(what.table)];
  if (what.run && growing.segment == what.number) {
    growing.broken = !made.ok() || !*made;
    if (!growing.broken) {
      growing.made.push_back((*made)->statement);
      growing.next = Row{what.run->first_row.value + what.run->rows};
      growing.offset = (*made)->end_offset;
      growing.ready_since.reset();
    }
    (void)note_runs();
  }
  if (!what.run) ++index_next[index_of(what.table)];
  if (!made.ok()) return std::move(made).error();
  if (!*made) return {};
  codec::IndexStatement& statement = (*made)->statement;
  if (what.run) {
    run_files[{what.table, what.number}].push_back(statement.file);
  } else if (const auto files = run_files.find({what.table, what.number}); files != run_files.end()) {
    for (const std::string& file : files->second) superseded.emplace_back(what.table, file);
    statement.replaces.insert(statement.replaces.end(), files->second.begin(), files->second.end());
    run_files.erase(files);
  }
  if (!what.run) indexes[{what.table, what.number}] = statement;
  state_index(std::move(statement));
  return {};
}

// At the start: runs that were stated and are gone are built again; files of runs whose segment has an index by now go,
// as a crash may have left them.
Result<void> Writer::Impl::look_after_runs(std::unique_lock<std::mutex>& hold) {
  const std::shared_ptr<const registry::Schema> with = schema;
  const auto stated = indexes;
  const auto growing = runs;
  const segment::Head head = published.head;
  hold.unlock();
  std::vector<codec::IndexStatement> again;
  std::vector<std::pair<TableId, std::string>> old;
  const auto look = [&]() -> Result<void> {
    for (const TableId table : index::kIndexedTables) {
      KHIPU_TRY_ASSIGN(const auto folder, environment.root.open_directory(table_name(table)));
      KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, folder->list());
      for (const os::Entry& entry : entries) {
        const std::optional<index::RunName> run = index::parse_run_name(entry.name);
        if (run && stated.contains({table, run->segment})) old.emplace_back(table, entry.name);
      }
      const GrowingRuns& mine = growing[index_of(table)];
      Row first = mine.first_row;
      for (uint64_t k = 0; k < mine.made.size(); ++k) {
        const codec::IndexStatement& known = mine.made[k];
        KHIPU_TRY_ASSIGN(const bool present, index_present(*folder, known));
        if (!present) {
          const RunPlace place{
              {mine.segment, k}, mine.first_row, first, known.rows, 0, head.tables[index_of(table)].end_offset};
          KHIPU_TRY_ASSIGN(BuiltRun run, build_run(*folder, table, place, *with, committed_tree(head, table)));
          if (run.statement.root != known.root) again.push_back(std::move(run.statement));
        }
        first = Row{first.value + known.rows};
      }
    }
    return {};
  };
  const Result<void> looked = look();
  hold.lock();
  for (codec::IndexStatement& statement : again) state_index(std::move(statement));
  superseded.insert(superseded.end(), old.begin(), old.end());
  return looked;
}

// Only once the statements that replace them are durable: until then they are what readers have.
Result<void> Writer::Impl::remove_superseded(std::unique_lock<std::mutex>& hold) {
  const auto files = superseded;
  hold.unlock();
  const auto remove = [&]() -> Result<void> {
    for (const auto& [table, name] : files) {
      KHIPU_TRY_ASSIGN(const auto folder, environment.root.open_directory(table_name(table)));
      const Result<void> removed = folder->unlink(name);
      if (!removed.ok() && removed.error().code != Code::kNotFound) return removed.error();
    }
    return {};
  };
  const Result<void> removed = remove();
  hold.lock();
  superseded.clear();  // this thread's alone; what could not be removed the next start finds
  return removed;
}

void Writer::Impl::index_loop() {
  std::unique_lock hold(mutex);
  const auto note = [&](const Result<void>& done) {
    if (!done.ok()) index_error = done.error().message;
  };
  note(look_after_runs(hold));
  --indexes_unanswered;
  while (true) {
    const auto wanted = [&] { return stopping || !poisoned.empty() || to_index() || to_merge(); };
    const auto clean = [&] { return !superseded.empty() && indexes_unanswered == 0; };
    if (!wanted() && !clean()) {
      if (!superseded.empty()) {
        index_moved.wait_for(hold, kLook);
      } else if (const auto due = run_due()) {
        index_moved.wait_until(hold, *due);
      } else {
        index_moved.wait(hold);
      }
      continue;
    }
    if (stopping || !poisoned.empty()) break;
    if (clean()) note(remove_superseded(hold));
    if (const auto what = to_index()) {
      note(index_one(*what, hold));
    } else if (const auto range = to_merge()) {
      note(merge_one(*range, hold));
    }
    index_moved.notify_all();
  }
}

void Writer::wait_until_indexed() {
  Impl& impl = *impl_;
  std::unique_lock hold(impl.mutex);
  impl.runs_wanted = true;
  impl.index_moved.notify_all();
  const auto done = [&] {
    return impl.stopping || !impl.poisoned.empty() || !impl.index_thread.joinable() ||
           (!impl.to_index() && !impl.to_merge() && impl.indexes_unanswered == 0 && impl.superseded.empty());
  };
  while (!done()) impl.index_moved.wait_for(hold, kLook);  // answers come without the mutex and notify nobody
  impl.runs_wanted = false;
}

}  // namespace khipu::writer
