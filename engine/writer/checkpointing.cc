// When a checkpoint is made, and by whom: the writer's thread makes the commit that states what moved, the sync thread
// makes it durable and visible, the checkpointer's thread publishes it. Commits go on meanwhile.
#include "engine/writer/writer_impl.h"

namespace khipu::writer {
// With the mutex held: may the writer's thread make one now?
bool Writer::Impl::checkpoint_due() const {
  if (publishing || !poisoned.empty()) return false;
  return checkpoints_wanted > checkpoints_done || checkpoint_at_once || Steady::now() >= checkpoint_next;
}

// The wall clock against the one that never steps: what retention by age must know before it believes an age.
void Writer::Impl::watch_clock() {
  const int64_t offset = environment.clock.now() - environment.clock.boot_us();
  const int64_t step = offset - clock_offset;
  if (step > -kClockStepUs && step < kClockStepUs) return;
  clock_offset = offset;
  note_clock_step(step);
}

void Writer::Impl::note_clock_step(int64_t step_us) {
  codec::Clock clock;
  clock.step_us = step_us;
  clock.wall = environment.clock.now();
  clock.by = "khipu";
  own_statements.emplace_back(std::move(clock));
}

// The writer's thread, behind each round: statements of its own, and the commit that the next publication names.
Result<void> Writer::Impl::make_checkpoint() {
  const auto now = Steady::now();
  {
    const std::lock_guard hold(mutex);
    if (!checkpoint_due()) return {};
    checkpoint_next = now + std::chrono::microseconds(options.checkpoint_interval_us);
  }
  if (committer->uncommitted()) return {};  // policy `os`: behind its next commit
  watch_clock();
  if (now >= heartbeat_next) own_statements.emplace_back(codec::Heartbeat{});
  CheckpointTarget target;
  target.keys_from = sequencer->window().first_number();
  int64_t heartbeat_us = 0;
  {
    const std::lock_guard hold(mutex);
    checkpoint_at_once = false;
    heartbeat_us = options.heartbeat_interval_us;
    target.requests = checkpoints_wanted;
    if (own_statements.empty() && !spine.moved(committer->states())) {
      checkpoints_done = checkpoints_wanted;  // the newest one says it all
      checkpoint_made.notify_all();
      return {};
    }
  }
  heartbeat_next = now + std::chrono::microseconds(heartbeat_us);
  KHIPU_TRY(wait_for_sync());
  if (committer->wants_seal()) KHIPU_TRY(seal());
  target.moved = spine.take_owed();
  std::vector<codec::TableHead> heads = spine.take_heads(committer->states());
  if (own_statements.empty() && heads.empty()) {  // meta alone moved: its last commit says what there is to say
    const std::lock_guard hold(mutex);
    spine.published(committer->states()[index_of(TableId::kMeta)].size);
    target.commit = published.commit;
    target.head = published.head;
    publish_target(std::move(target));
    return {};
  }
  pending.clear();
  sequencer->begin(committer->next_number());
  for (const codec::Statement& statement : own_statements) KHIPU_TRY(sequencer->append_statement(statement, pending));
  own_statements.clear();
  for (codec::TableHead& head : heads) {
    target.moved |= 1U << index_of(head.table);
    KHIPU_TRY(sequencer->append_statement(std::move(head), pending));
  }
  KHIPU_TRY(committer->write_rows(pending));
  committer->sign(std::max(environment.clock.now(), sequencer->recorded_at()));
  KHIPU_TRY_ASSIGN(Job job, committer->place_frame());
  spine.published(committer->states()[index_of(TableId::kMeta)].size);
  job.checkpoint = std::move(target);
  const std::lock_guard hold(mutex);
  publishing = true;
  syncing = std::move(job);
  sync_idle = false;
  sync_moved.notify_all();
  return {};
}

// At the end: what the last round left unsaid.
Result<void> Writer::Impl::last_checkpoint() {
  {
    std::unique_lock hold(mutex);
    queue_moved.wait(hold, [&] { return !publishing || !poisoned.empty(); });
    if (!poisoned.empty()) return poison_error();
    checkpoint_at_once = true;
  }
  return make_checkpoint();
}

// With the mutex held.
void Writer::Impl::publish_target(CheckpointTarget target) {
  publishing = true;
  to_publish = std::move(target);
  checkpoint_moved.notify_all();
}

void Writer::Impl::checkpoint_loop() {
  constexpr auto kSessionLook = std::chrono::seconds(1);
  Steady::time_point session_look = Steady::now() + kSessionLook;
  std::unique_lock hold(mutex);
  while (true) {
    const auto moved = [&] { return to_publish || sync_done || !poisoned.empty(); };
    if (Steady::now() >= session_look || !checkpoint_moved.wait_until(hold, session_look, moved)) {
      hold.unlock();
      end_session_when_over();
      hold.lock();
      session_look = Steady::now() + kSessionLook;
      continue;
    }
    if (!poisoned.empty() || !to_publish) break;
    const CheckpointTarget target = std::move(*to_publish);
    to_publish.reset();
    hold.unlock();
    Result<void> done = at("checkpoint", checkpointer->run(target, *head_file));
    // Before it counts as made: retention removes rows behind it, whose keys are then known from here alone.
    if (done.ok()) done = idempotency->cover(target.head.tables[index_of(TableId::kLogs)].size, target.keys_from);
    if (!done.ok()) poison(done.error());
    hold.lock();
    if (!done.ok()) break;
    for (size_t i = 0; i < kTableCount; ++i) tree_synced[i] = std::max(tree_synced[i], target.head.tables[i].size);
    checkpoint_number = checkpointer->number();
    checkpoint_note = checkpointer->note();
    checkpoints_done = std::max(checkpoints_done, target.requests);
    publishing = false;
    checkpoint_made.notify_all();
    queue_moved.notify_all();
  }
  checkpoints_over = true;
  checkpoint_made.notify_all();
}

Result<void> Writer::Impl::publish() {
  std::unique_lock hold(mutex);
  if (!poisoned.empty()) return poison_error();
  const uint64_t wanted = ++checkpoints_wanted;
  queue_moved.notify_all();
  checkpoint_made.wait(hold, [&] { return checkpoints_done >= wanted || checkpoints_over || !poisoned.empty(); });
  if (!poisoned.empty()) return poison_error();
  if (checkpoints_done < wanted) return Error{Code::kPoisoned, "the writer is closing"};
  return {};
}

Result<void> Writer::publish() { return impl_->publish(); }

Result<CommitNumber> Writer::append_and_publish(codec::Statement statement) {
  ingest::Batch batch;
  batch.statements.push_back(statement);
  KHIPU_TRY_ASSIGN(const Receipt receipt, wait_for_answer(std::move(batch), {}));
  KHIPU_TRY(impl_->note_keys(statement));
  KHIPU_TRY(publish());
  return receipt.commit;
}

}  // namespace khipu::writer
