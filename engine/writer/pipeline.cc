// The writer's three threads. The order of each step is a rule of the commit model: a frame only behind the sync of the
// commit before it, HEAD only behind its own, the key-side state only for what is published.
#include <algorithm>

#include "engine/writer/writer_impl.h"

namespace khipu::writer {
namespace {

constexpr auto kOsSyncInterval = std::chrono::seconds(1);
constexpr auto kIdleLook = std::chrono::milliseconds(5);  // whether the writer is idle: not all of that is announced
// One commit takes at most so much from the queue: its answers should not wait for ever behind it.
constexpr uint64_t kCommitEventsMax = 16384;
constexpr uint64_t kCommitSizeBytesMax = 16ULL << 20;

}  // namespace

void Writer::Impl::start_threads() {
  writer_thread = std::thread([this] { write_loop(); });
  sync_thread = std::thread([this] { sync_loop(); });
  checkpoint_thread = std::thread([this] { checkpoint_loop(); });
  if (options.index_segments) {
    ++indexes_unanswered;  // what index_loop() does first
    const std::lock_guard hold(mutex);
    (void)note_runs();
    for (GrowingRuns& growing : runs) {
      if (growing.ready_since) growing.ready_since = Steady::time_point();  // an earlier life's rows are old enough
    }
    index_thread = std::thread([this] { index_loop(); });
  }
}

Error Writer::Impl::poison_error() const {
  return {Code::kPoisoned, "the writer stopped after a failed write or sync and must be reopened: " + poisoned};
}

void Writer::Impl::poison(const Error& error) {
  std::deque<Submission> refused;
  {
    const std::lock_guard hold(mutex);
    if (poisoned.empty()) poisoned = error.message;
    refused.swap(queue);
    queued_events = queued_size_bytes = 0;
  }
  queue_moved.notify_all();
  sync_moved.notify_all();
  checkpoint_moved.notify_all();
  checkpoint_made.notify_all();
  index_moved.notify_all();
  for (Submission& submission : refused) submission.answer(poison_error());
}

// Waits until a commit is due and takes its submissions; empty when it is time to stop, or to sync what `os` gathered.
std::vector<Submission> Writer::Impl::take() {
  std::vector<Submission> taken;
  std::unique_lock hold(mutex);
  writer_commits = false;
  while (true) {
    queue_moved.wait(hold, [&] { return !caller_commits; });
    if (!poisoned.empty()) break;
    const bool due_now =
        !queue.empty() && (stopping || options.sync != SyncPolicy::kGroup || queued_events >= options.group_events);
    if (due_now || (stopping && queue.empty()) || checkpoint_due()) break;
    auto deadline = publishing ? Steady::time_point::max() : checkpoint_next;
    if (uncommitted_events > 0 || committer->uncommitted()) {
      if (Steady::now() >= uncommitted_since + kOsSyncInterval) break;
      deadline = std::min(deadline, uncommitted_since + kOsSyncInterval);
    } else if (!queue.empty()) {
      const auto due = queue.front().since + std::chrono::microseconds(options.group_interval_us);
      if (Steady::now() >= due) break;
      deadline = std::min(deadline, due);
    }
    if (deadline == Steady::time_point::max()) {
      queue_moved.wait(hold);
    } else {
      queue_moved.wait_until(hold, deadline);
    }
  }
  uint64_t events_taken = 0, size_taken = 0;
  while (!queue.empty() && poisoned.empty()) {
    Submission& next = queue.front();
    if (!taken.empty() && (options.sync == SyncPolicy::kAlways || events_taken + next.events > kCommitEventsMax ||
                           size_taken + next.size_bytes > kCommitSizeBytesMax)) {
      break;
    }
    events_taken += next.events;
    size_taken += next.size_bytes;
    queued_events -= next.events;
    queued_size_bytes -= next.size_bytes;
    taken.push_back(std::move(next));
    queue.pop_front();
  }
  writer_commits = true;
  return taken;
}

void Writer::Impl::write_loop() {
  for (bool last = false;;) {
    std::vector<Submission> taken = take();
    {
      const std::lock_guard hold(mutex);
      if (!poisoned.empty()) {
        for (Submission& submission : taken) submission.answer(poison_error());
        break;
      }
      last = taken.empty() && stopping && queue.empty() && uncommitted_events == 0 && !committer->uncommitted();
    }
    Result<void> done = last ? last_checkpoint() : commit(std::move(taken), Sync::kPipelined);
    if (done.ok() && !last) done = make_checkpoint();
    if (!done.ok()) fail(done.error());
    if (!done.ok() || last) break;
  }
  const std::lock_guard hold(mutex);
  writer_done = true;
  sync_moved.notify_all();
}

// A commit broke before its frame was handed on.
void Writer::Impl::fail(const Error& error) {
  poison(error);
  for (auto& answer : answers) answer(&error);
  answers.clear();
}

// With the mutex held. What `os` has gathered (the policy may have changed) goes its own way.
bool Writer::Impl::may_commit_here() const {
  return options.sync == SyncPolicy::kAlways && !caller_commits && !writer_commits && sync_idle && queue.empty() &&
         !stopping && poisoned.empty() && !committer->uncommitted();
}

// The caller has set caller_commits under the mutex.
void Writer::Impl::commit_here(Submission submission) {
  std::vector<Submission> taken;
  taken.push_back(std::move(submission));
  if (Result<void> done = commit(std::move(taken), Sync::kHere); !done.ok()) fail(done.error());
  const std::lock_guard hold(mutex);
  caller_commits = false;
  // uncommitted(): the policy became `os` meanwhile, and what it gathered needs the writer's thread's timer.
  if (!queue.empty() || stopping || !poisoned.empty() || committer->uncommitted()) queue_moved.notify_all();
}

// Until the sync thread is idle: the commit before this one is durable, visible and answered.
Result<void> Writer::Impl::wait_for_sync() {
  std::unique_lock hold(mutex);
  sync_moved.wait(hold, [&] { return sync_idle || !poisoned.empty(); });
  if (!poisoned.empty()) return poison_error();
  for (const TableId table : kTables) committer->tree_synced(table, tree_synced[index_of(table)]);
  return {};
}

// Until the sync thread would take a commit: it may still be at the one before.
Result<void> Writer::Impl::wait_for_turn() {
  std::unique_lock hold(mutex);
  sync_moved.wait(hold, [&] { return !syncing || !poisoned.empty(); });
  if (!poisoned.empty()) return poison_error();
  return {};
}

Result<void> Writer::Impl::commit(std::vector<Submission> taken, Sync sync) {
  SyncPolicy policy;
  bool stop;  // or somebody waits for a checkpoint of it
  {
    const std::lock_guard hold(mutex);
    policy = options.sync;
    stop = stopping || checkpoints_wanted > checkpoints_done;
    sequencer->window().set_bounds(options.idempotency_keys_max, options.idempotency_window_us);
  }
  pending.clear();
  sequencer->begin(committer->next_number());
  for (Submission& submission : taken) {
    Result<Receipt> receipt = sequencer->add(submission.batch, pending, submission.refused);
    if (!receipt.ok()) {
      submission.answer(std::move(receipt));
    } else {
      receipt->durable = policy != SyncPolicy::kOs;
      answers.push_back(
          [answer = std::move(submission.answer), value = std::move(receipt).value()](const Error* error) {
            error ? answer(Error{Code::kPoisoned, error->message}) : answer(value);
          });
    }
    submission.batch = {};
  }
  const bool has_rows =
      std::any_of(pending.rows.begin(), pending.rows.end(), [](const Rows& rows) { return !rows.starts.empty(); });
  {
    const std::lock_guard hold(mutex);
    schema = sequencer->schema();
    rules = sequencer->rules();
  }
  if (has_rows) {
    if (committer->wants_seal() && !committer->uncommitted()) {
      KHIPU_TRY(wait_for_sync());
      KHIPU_TRY(seal());
    }
    if (uncommitted_events == 0) uncommitted_since = Steady::now();
    KHIPU_TRY(committer->write_rows(
        pending, sync == Sync::kHere && policy == SyncPolicy::kAlways ? Table::Write::kWithFrame : Table::Write::kNow));
    uncommitted_events += pending.events;
    answered.insert(answered.end(), pending.answered.begin(), pending.answered.end());
  }
  if (policy == SyncPolicy::kOs) {
    for (auto& answer : answers) answer(nullptr);
    answers.clear();
    if (!stop && Steady::now() < uncommitted_since + kOsSyncInterval) return {};
  }
  if (!committer->uncommitted()) {  // only refusals and repeats: what they repeat may still be on its way
    if (answers.empty()) return {};
    KHIPU_TRY(wait_for_sync());
    for (auto& answer : answers) answer(nullptr);
    answers.clear();
    return {};
  }
  committer->sign(std::max(environment.clock.now(), sequencer->recorded_at()));
  // With nothing gained by larger commits (`always`) this one lines up behind the one that is being synced.
  KHIPU_TRY(sync == Sync::kPipelined && policy == SyncPolicy::kAlways ? wait_for_turn() : wait_for_sync());
  KHIPU_TRY_ASSIGN(Job job, committer->place_frame());
  job.answers = std::move(answers);
  job.answered = std::move(answered);
  job.events = uncommitted_events;
  answers.clear();
  answered.clear();
  uncommitted_events = 0;
  {
    const std::lock_guard hold(mutex);
    if (!poisoned.empty()) {  // the sync thread may take no more
      answers = std::move(job.answers);
      return poison_error();
    }
    if (!sync_idle || (sync == Sync::kPipelined && (policy != SyncPolicy::kAlways || !queue.empty()))) {
      syncing = std::move(job);
      sync_idle = false;
      sync_moved.notify_all();
      return {};
    }
  }
  return finish(std::move(job));
}

// (2) sync, (3) HEAD, (4) answers.
Result<void> Writer::Impl::finish(Job job) {
  Result<void> done = make_durable(job);
  if (!done.ok()) poison(done.error());
  for (auto& answer : job.answers) answer(done.ok() ? nullptr : &done.error());
  return done;
}

Result<void> Writer::Impl::seal() {
  KHIPU_TRY_ASSIGN(const std::vector<Committer::Sealed> sealed, committer->seal());
  for (const Committer::Sealed& segment : sealed) spine.sealed(segment.table, segment.entry);
  const std::lock_guard hold(mutex);
  checkpoint_at_once = true;
  return {};
}

void Writer::Impl::sync_loop() {
  std::unique_lock hold(mutex);
  while (true) {
    sync_moved.wait(hold, [&] { return syncing || writer_done; });
    if (!syncing) break;
    Job job = std::move(*syncing);
    syncing.reset();
    sync_moved.notify_all();
    hold.unlock();
    const Result<void> done = finish(std::move(job));
    hold.lock();
    sync_idle = !syncing;
    sync_moved.notify_all();
    if (!done.ok()) break;
  }
  std::vector<std::function<void(const Error*)>> unanswered;  // of the commit behind one that failed
  if (syncing) unanswered = std::move(syncing->answers);
  syncing.reset();
  sync_done = true;
  checkpoint_moved.notify_all();
  index_moved.notify_all();
  if (unanswered.empty()) return;
  const Error error = poison_error();
  hold.unlock();
  for (auto& answer : unanswered) answer(&error);
}

Result<void> Writer::Impl::make_durable(Job& job) {
  KHIPU_TRY(at("commit " + std::to_string(job.commit.number.value), sync_files(job)));
  {
    const std::lock_guard hold(mutex);
    job.head.epoch = epoch;
  }
  KHIPU_TRY(head_file->write(job.head));
  KHIPU_TRY(idempotency->append(job.answered));
  const std::lock_guard hold(mutex);
  ++commits;
  events += job.events;
  published.commit = job.commit;
  published.head = job.head;
  if (note_runs() || to_index()) index_moved.notify_all();
  if (job.checkpoint) {
    job.checkpoint->commit = job.commit;
    job.checkpoint->head = job.head;
    publish_target(std::move(*job.checkpoint));
  }
  return {};
}

// I8: a reader that locks its slot after this reads HEAD again and moves; one that did so before is in another slot.
Result<Epoch> Writer::Impl::raise_epoch() {
  std::unique_lock hold(mutex);
  Epoch next = epoch.next();
  for (uint64_t step = 1; step < os::kReaderSlotCount; ++step) {
    const Epoch candidate{epoch.value + step};
    KHIPU_TRY_ASSIGN(const bool held, os::reader_slot_held(environment.root, candidate));
    if (held) continue;
    next = candidate;
    break;
  }
  epoch = next;
  const auto seen = [&] { return published.head.epoch == next; };
  const auto idle = [&] { return sync_idle && !syncing && !writer_commits && !caller_commits; };
  while (!seen() && !idle() && poisoned.empty()) sync_moved.wait_for(hold, kIdleLook);
  if (!poisoned.empty()) return poison_error();
  Result<void> written;
  if (!seen()) {  // nobody commits, and nobody can begin to while we hold the mutex: HEAD is ours
    published.head.epoch = next;
    written = head_file->write(published.head);
  }
  hold.unlock();
  if (written.ok()) written = head_file->sync();
  if (!written.ok()) {
    poison(written.error());
    return std::move(written).error();
  }
  return next;
}

Result<Epoch> Writer::raise_epoch() { return impl_->raise_epoch(); }

}  // namespace khipu::writer
