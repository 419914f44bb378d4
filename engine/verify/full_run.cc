// The full mode, and the incremental one: what it was, and when the log does not go on from the state that is kept.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "engine/base/system_error.h"
#include "engine/verify/run.h"
#include "engine/verify/since.h"

namespace khipu::verify {

size_t threads_of(const Options& options) {
  return options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
}

// The last words of a run that was incremental, or would have been.
static void note_full_read(Run& run, const State* since) {
  Report& report = run.report;
  if (since != nullptr) {
    report.since_commit = since->commit;
    report.full_commit = since->full_commit;
    report.full_time = since->full_time;
  }
  if (!report.state) return;
  os::Clock& clock = run.options.clock != nullptr ? *run.options.clock : os::system_clock();
  report.state->written = clock.now();
  report.state->full_commit = since != nullptr ? since->full_commit : report.commit;
  report.state->full_time = since != nullptr ? since->full_time : report.state->written;
}

Result<void> run_full(Run& run) {
  const std::optional<State>& since = run.options.since;
  if (since && same_log(run, *since)) {
    const Findings before = run.findings;
    const Report report = run.report;
    const Result<bool> done = read_all(run, &*since);
    if (!done.ok() && of_system(done.error())) {
      run.unreadable(done.error());
      return {};
    }
    if (!done.ok()) return done.error();
    if (*done) {
      note_full_read(run, &*since);
      return {};
    }
    run.findings = before;
    run.report = report;
    run.report.scope = "full";
    for (const TableId id : kTables) {
      const TablePosition& at = since->tables[index_of(id)];
      run.heads.push_back({"the state you keep", id, at.size, at.root, {}});
    }
    run.report.not_checked.emplace_back(
        "only what is new: the log does not go on from the state you keep, so all was read");
  }
  KHIPU_TRY(read_all(run, nullptr));
  // An incomplete walk may have ended before it came to the log's end.
  const bool shorter = since && (!run.incomplete || (run.head.newest && run.head.newest->commit < since->commit));
  if (shorter && run.report.commit < since->commit && run.report.root_id == since->root_id) {
    Finding found;
    found.code = code::kRollback;
    found.rank = Rank::kAnchor;
    found.commit = run.report.commit;
    found.expected = fmt::format("commit {} {}", since->commit.value, short_hash(since->commit_hash));
    found.actual = fmt::format("commit {} {}", run.report.commit.value, short_hash(run.report.commit_hash));
    found.detail =
        "the log ends before the commit of the state you keep: an older copy was put back, or its end was cut off";
    run.findings.add(std::move(found));
  }
  note_full_read(run, nullptr);
  return {};
}

}  // namespace khipu::verify
